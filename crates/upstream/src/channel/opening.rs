//! Finding out what a server on a shared stream speaks. There is no status that would say it, and servers with sessions may
//! keep silent about what they do not know; so after a while the second greeting follows the first, and whichever is
//! answered decides (2026-07-28, stdio, "Backward Compatibility").

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::sleep;

use super::{Channel, Who};
use crate::handshake::{self, DISCOVER_ID, INITIALIZE_ID, Probe};
use crate::{Endpoint, Era, Failure, Greeting};

/// So long the stateless greeting waits alone.
const ALONE: Duration = Duration::from_secs(3);

/// Greets the server.
pub(crate) async fn open(channel: &Arc<Channel>, endpoint: &Endpoint) -> Result<Greeting, Failure> {
    let greeting = greet(channel, endpoint).await?;
    channel.era.get_or_init(|| greeting.revision.era());
    Ok(greeting)
}

async fn greet(channel: &Arc<Channel>, endpoint: &Endpoint) -> Result<Greeting, Failure> {
    if endpoint.remembered.is_some_and(|revision| revision.era() == Era::Session) {
        return match initialize(channel, endpoint).await {
            Err(failure @ Failure::Rpc(_)) => match probe(channel, endpoint).await {
                Ok(Probe::Stateless(greeting)) => Ok(greeting),
                _ => Err(failure),
            },
            outcome => outcome,
        };
    }
    let mut probing = Box::pin(probe(channel, endpoint));
    tokio::select! {
        probed = &mut probing => return decide(probed?, channel, endpoint).await,
        () = sleep(ALONE) => {}
    }
    // A slow server of either era, or one that will never say a word about the first greeting.
    let mut initializing = Box::pin(initialize(channel, endpoint));
    tokio::select! {
        probed = &mut probing => match probed? {
            Probe::Stateless(greeting) => Ok(greeting),
            Probe::Other => initializing.await,
            Probe::Again(error) => Err(Failure::Rpc(error)),
        },
        initialized = &mut initializing => match initialized {
            Err(Failure::Rpc(_)) => match probing.await? {
                Probe::Stateless(greeting) => Ok(greeting),
                _ => Err(Failure::not_mcp("the server takes neither greeting")),
            },
            outcome => outcome,
        },
    }
}

/// Greets a server of which it is known that it has sessions.
pub(crate) async fn initialize(channel: &Arc<Channel>, endpoint: &Endpoint) -> Result<Greeting, Failure> {
    let body = handshake::initialize(&endpoint.capabilities)?;
    let result: Box<RawValue> = channel.exchange(INITIALIZE_ID, body, Who::Deaf).await?;
    let greeting = handshake::greeted(result)?;
    channel.outbox.send(handshake::initialized()?).await?;
    Ok(greeting)
}

async fn probe(channel: &Arc<Channel>, endpoint: &Endpoint) -> Result<Probe, Failure> {
    let body = handshake::discover(&endpoint.capabilities)?;
    handshake::discovered(channel.exchange(DISCOVER_ID, body, Who::Deaf).await)
}

async fn decide(probe: Probe, channel: &Arc<Channel>, endpoint: &Endpoint) -> Result<Greeting, Failure> {
    match probe {
        Probe::Stateless(greeting) => Ok(greeting),
        Probe::Other => initialize(channel, endpoint).await,
        Probe::Again(error) => Err(Failure::Rpc(error)),
    }
}
