//! The binary as a library: configuration, commands, wiring and shutdown.
//!
//! Owns what only the whole house can know: where settings come from ([`config`]), what can be typed ([`cli`]), how the
//! servers are put together ([`app`]), and how the process listens, ends TLS, stops and greets a newcomer ([`serve`]).
//! Has no endpoint of its own but two for health. Tests assemble the same router without a process.

pub mod app;
pub mod cli;
pub mod config;
mod problem;
pub mod serve;
mod tls;

pub use problem::Problem;
