//! The gateway as a client of upstream authorization servers: how a user's connection comes by its token and keeps it.
//!
//! Owns who we are at each issuer (`upstream_client`), and every conversation with an upstream's authorization server, all
//! of it through the guarded client. What such a server may say is judged in `portcullis_oauth::client`; pages are the
//! console's.

mod discovery;
mod error;
mod exchange;

pub use error::AuthorizationError;
