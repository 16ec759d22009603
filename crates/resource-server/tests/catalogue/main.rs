//! Stories of the catalogue and of the store of connections, on both engines.

mod connections;
mod servers;
mod stage;
