//! Finding out what a server over HTTP speaks: what was remembered is tried first, else the stateless era.

use http::{HeaderMap, HeaderValue};

use super::headers;
use super::wire::{Reply, Wire};
use crate::handshake::{self, DISCOVER, DISCOVER_ID, INITIALIZE_ID, Probe};
use crate::{Endpoint, Era, Failure, Greeting, Request, Revision};

/// A server that was greeted.
pub(super) struct Opened {
    pub(super) greeting: Greeting,
    pub(super) session: Option<HeaderValue>,
}

/// Greets the server.
pub(super) async fn open(wire: &Wire, endpoint: &Endpoint) -> Result<Opened, Failure> {
    if endpoint.remembered.is_none_or(|revision| revision.era() == Era::Stateless) {
        return match discover(wire, endpoint).await? {
            Probe::Stateless(greeting) => Ok(Opened { greeting, session: None }),
            Probe::Other => initialize(wire, endpoint).await,
        };
    }
    // A server may have been replaced by one that has no sessions any more.
    match initialize(wire, endpoint).await {
        Err(failure @ (Failure::Rpc(_) | Failure::Status { .. } | Failure::NotMcp { .. })) => {
            match discover(wire, endpoint).await {
                Ok(Probe::Stateless(greeting)) => Ok(Opened { greeting, session: None }),
                _ => Err(failure),
            }
        }
        outcome => outcome,
    }
}

async fn discover(wire: &Wire, endpoint: &Endpoint) -> Result<Probe, Failure> {
    let body = handshake::discover(&endpoint.capabilities)?;
    let mut named = headers::of_revision(Revision::V2026_07_28, None);
    headers::mirror(&mut named, &Request::new(DISCOVER), None)?;
    let reply = wire.post(wire.headers(), named, body).await?;
    handshake::discovered(plain_result(reply, DISCOVER_ID, wire).await)
}

async fn initialize(wire: &Wire, endpoint: &Endpoint) -> Result<Opened, Failure> {
    let body = handshake::initialize(&endpoint.capabilities)?;
    let reply = wire.post(wire.headers(), HeaderMap::new(), body).await?;
    let session = reply.headers.get(headers::SESSION).cloned();
    let greeting = handshake::greeted(plain_result(reply, INITIALIZE_ID, wire).await?)?;
    let named = headers::of_revision(greeting.revision, session.as_ref());
    let reply = wire.post(wire.headers(), named, handshake::initialized()?).await?;
    if !reply.is_success() {
        return Err(reply.into_refusal().await);
    }
    reply.finish();
    Ok(Opened { greeting, session })
}

/// The result of a request about which nothing is said or asked meanwhile.
async fn plain_result(
    reply: Reply,
    id: u64,
    wire: &Wire,
) -> Result<Box<serde_json::value::RawValue>, Failure> {
    if !reply.is_success() {
        return Err(reply.into_refusal().await);
    }
    if reply.is_stream() { reply.into_first(id, wire).await } else { reply.into_result(id, wire).await }
}
