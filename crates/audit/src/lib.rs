//! The paper trail: what happened, who did it through which client, and why it was refused.
//!
//! Owns the `audit_event` table, the event's shape and the redaction of what must not be kept. Leaves to its callers to
//! decide what happened; an event is written before the answer that depends on it leaves.

mod event;
mod group;
mod redaction;
mod trail;

pub mod trace;

pub use event::{Action, ConnectionEvent, Event, Outcome};
pub use redaction::redact;
pub use trail::{Trail, record_in};
