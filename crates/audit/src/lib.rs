//! The paper trail: what happened, who did it through which client, and why it was refused.
//!
//! Owns the `audit_event`, `audit_base`, `audit_snapshot`, `audit_sink` and `audit_sink_turn` tables: the event's shape, the redaction of what must not be kept, the chain that
//! shows whether a record was changed or removed, checkpoints outside the database, sinks, retention, erasure and verification. Leaves
//! to its callers to decide what happened; an event is written before the answer that depends on it leaves. What signs
//! checkpoints comes from whoever assembles the server.

mod approval;
mod chain;
mod checkpoint;
mod circumstances;
mod daily;
mod decisions;
mod digest;
mod erase;
mod event;
mod export;
mod group;
mod record;
mod redaction;
mod retention;
mod seal;
mod search;
mod select;
mod sink;
mod snapshot;
mod trail;
mod verify;

pub mod trace;

pub use approval::ApprovalEvent;
pub use checkpoint::{AnchorError, Anchors, Checkpoint, Signer};
pub use decisions::DecisionRecord;
pub use erase::erase_in;
pub use event::{Action, ConnectionEvent, Event, Outcome};
pub use export::{Export, ExportFormat};
pub use record::Kept;
pub use redaction::Redaction;
pub use search::{Cursor, Order, Query, Records};
pub use sink::{DailyFiles, Shipping, ShippingError, Sink, SinkError, SinkReach, json_lines};
pub use snapshot::Snapshots;
pub use trail::{Keeping, Trail, record_in};
pub use verify::{ChainReport, Fault, Verification};
