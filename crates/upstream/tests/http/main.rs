//! The wire over HTTP, against a server that speaks every era and misbehaves in many ways.

#![expect(clippy::unwrap_used, reason = "a surprise ends the story")]

mod changes;
mod conversation;
mod eras;
mod health;
mod sessions;
mod stage;
mod strangers;
