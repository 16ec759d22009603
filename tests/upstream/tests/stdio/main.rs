//! The wire over stdio: real children, started by the real launcher.

#![expect(clippy::unwrap_used, reason = "a surprise ends the story")]

mod bounds;
mod conversation;
mod life;
mod questions;
mod stage;
