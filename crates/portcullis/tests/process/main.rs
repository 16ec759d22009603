//! Stories about the process: what it says and how it ends, as somebody at a shell sees it. What the server answers is
//! told elsewhere, in process.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told fails here")]

mod approvals;
mod audit;
mod commands;
mod connections;
mod crash;
mod encryption;
mod keys;
mod policy;
mod resources;
mod reviews;
mod serving;
mod shell;
mod sinks;
mod stdio;
