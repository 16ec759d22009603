//! Stories of the catalogue and of the store of connections, on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on falls over")]

mod connections;
mod servers;
mod stage;
