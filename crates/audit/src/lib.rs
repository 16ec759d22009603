//! The paper trail: what happened, who did it through which client, and why it was refused.
//!
//! Owns the `audit_event` and `audit_base` tables: the event's shape, the redaction of what must not be kept, the chain that
//! shows whether a record was changed or removed, checkpoints outside the database, retention, erasure and verification. Leaves
//! to its callers to decide what happened; an event is written before the answer that depends on it leaves. What signs
//! checkpoints comes from whoever assembles the server.

mod approval;
mod chain;
mod checkpoint;
mod circumstances;
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
mod trail;
mod verify;

pub mod trace;

pub use approval::ApprovalEvent;
pub use checkpoint::{AnchorError, Anchors, Checkpoint, Signer};
pub use erase::erase_in;
pub use event::{Action, ConnectionEvent, Event, Outcome};
pub use export::{Export, ExportFormat};
pub use record::Kept;
pub use redaction::Redaction;
pub use search::{Cursor, Order, Query, Records};
pub use trail::{Keeping, Trail, record_in};
pub use verify::{ChainReport, Fault, Verification};
