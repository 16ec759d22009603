//! Stories about the paper trail: its chain, what is seen of tampering, and what retention and erasure leave.

#![expect(clippy::unwrap_used, reason = "a surprise ends the story")]

mod chain;
mod kept;
mod looking;
mod sinks;
mod stage;
mod tamper;
