//! The guarded HTTP client: every request to an address that a stranger can name leaves through here (SBP-6, A29).
//!
//! Owns which addresses may be reached ([`address`]), and that a name is resolved once and the connection made to the
//! very address that was judged, so that a second answer of the name server changes nothing. It follows no redirect, asks
//! no proxy, sends no cookie, offers no compression, and reads no more and waits no longer than it was told. A connection
//! serves one request; who calls one origin often holds a [`Lane`], whose connections are kept. Leaves the meaning of an answer, status and content type among it, to its caller.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis_outbound::{Outbound, Outgoing, Policy};
//!
//! let outbound = Outbound::new(Policy::default())?;
//! let answer = outbound.send(Outgoing::get("https://client.example/id.json")).await?;
//! # Ok(())
//! # }
//! ```

pub mod address;
mod client;
mod exchange;
mod failure;
mod lane;
mod target;

pub use client::{Outbound, Outgoing, Policy};
pub use exchange::Incoming;
pub use failure::{Failure, Unreachable};
pub use lane::{Body, Lane, Parcel, Streaming};
pub use target::{BoxFuture, Network, Resolver};
