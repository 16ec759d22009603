//! The client side of MCP: how the gateway speaks to the servers behind it.
//!
//! Owns the wire: Streamable HTTP of both eras, HTTP with SSE of 2024-11-05 where that is allowed, and children over
//! stdio; which era a server speaks ([`Revision`]), sessions, streams, deadlines, limits and the circuit breaker, all of it
//! behind one [`Pool`]. It knows no users, no policy and no database: an [`Endpoint`] says everything that is needed to
//! reach one server for one connection, and whoever makes one has decided that it may be reached.
//!
//! The wire is written here and not taken from an SDK. A gateway relays: results travel as the text that the server wrote
//! (checked strictly, never rewritten), so that members which no model knows of pass unharmed, and every connection is made
//! by the guarded client of `outbound`. The SDK's client does neither.
//!
//! Nothing of a caller's own request reaches a server by itself: headers are those of the [`Endpoint`] and those that the
//! protocol demands (T04).

mod breaker;
mod channel;
mod endpoint;
mod failure;
mod handshake;
mod heard;
mod legacy;
mod listening;
mod message;
mod meta;
pub mod mirror;
mod peer;
mod pool;
mod request;
mod revision;
mod session;
mod sse;
mod stdio;
mod streamable;
mod strict;
mod talk;

pub use endpoint::{Endpoint, Headers, HttpTarget, Program, Transport, UnusableHeader};
pub use failure::Failure;
pub use heard::Heard;
pub use listening::{Listening, Subscription};
pub use pool::{Pool, Settings};
pub use request::{Asked, BoxFuture, Events, Greeting, Notification, Request, RpcError, Silent};
pub use revision::{Era, Revision};
pub use stdio::{Launcher, become_program};
