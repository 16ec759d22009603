//! The stream in which a server answers one request: what it says meanwhile, what it asks back, and its end, also when
//! the stream breaks off and goes on later.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use portcullis_outbound::Body;
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::wire::{Reply, Wire};
use crate::endpoint::Headers;
use crate::message::{self, Incoming};
use crate::sse::Decoder;
use crate::talk::{self, Listener};
use crate::{Asked, Failure};

/// So long to wait before going on with a stream whose server did not say how long, and the least in any case.
const RETRY: Duration = Duration::from_secs(1);
const SOONEST: Duration = Duration::from_millis(50);
/// So often in a row a stream may go on without getting anywhere.
const RESUMED: u32 = 5;
/// So many questions of a server are open at once; more are its mistake.
const ASKED: usize = 16;

/// Reads one answer.
pub(super) struct Stream {
    pub(super) wire: Arc<Wire>,
    pub(super) credentials: Headers,
    /// Revision and session: what every message of it carries.
    pub(super) named: HeaderMap,
    pub(super) listener: Listener,
    /// Whether the era is one with sessions, in which servers ask and streams go on.
    pub(super) has_sessions: bool,
}

impl Stream {
    /// Reads to the answer, wherever it comes. Dropped before that it closes the stream.
    pub(super) async fn answer(self, reply: Reply) -> Result<Box<RawValue>, Failure> {
        let mut decoder = self.wire.decoder();
        let mut replies = JoinSet::new();
        let mut body = reply.into_body();
        let mut idle = 0;
        loop {
            let before = decoder.last_id.clone();
            match self.read(&mut decoder, &mut body, &mut replies).await {
                Ok(Some(outcome)) => {
                    body.finish();
                    return outcome;
                }
                Err(Failure::Lost) | Ok(None) => {
                    idle = if decoder.last_id == before { idle + 1 } else { 0 };
                    if idle > RESUMED {
                        return Err(Failure::Lost);
                    }
                    body = self.resume(&mut decoder).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Reads to the answer, or to the end of this stream.
    async fn read(
        &self,
        decoder: &mut Decoder,
        body: &mut Body,
        replies: &mut JoinSet<()>,
    ) -> Result<Option<Result<Box<RawValue>, Failure>>, Failure> {
        while let Some(event) = decoder.next(body).await? {
            if event.kind != "message" {
                continue;
            }
            match message::read(&event.data)? {
                Incoming::Answer { id, outcome } if id == self.listener.id => {
                    return Ok(Some(outcome.map_err(Failure::Rpc)));
                }
                Incoming::Answer { .. } => {
                    return Err(Failure::not_mcp("an answer to something else"));
                }
                Incoming::Refused(error) => return Ok(Some(Err(Failure::Rpc(error)))),
                Incoming::Said(notification) => self.wire.board.sort(notification, &self.listener),
                Incoming::Asked { id, asked } => self.asked(id, asked, replies)?,
            }
        }
        Ok(None)
    }

    /// Lets the question be answered while the stream is read on.
    fn asked(&self, id: Box<RawValue>, asked: Asked, replies: &mut JoinSet<()>) -> Result<(), Failure> {
        while replies.try_join_next().is_some() {}
        if !self.has_sessions || replies.len() >= ASKED {
            return Err(Failure::not_mcp("the server asks where servers do not ask, or too much at once"));
        }
        let (wire, listener) = (self.wire.clone(), self.listener.clone());
        let (credentials, named) = (self.credentials.clone(), self.named.clone());
        replies.spawn(async move {
            let outcome = talk::answer(&listener, asked).await;
            let Ok(body) = message::reply(&id, &outcome) else { return };
            match wire.post(&credentials, named, body).await {
                Ok(reply) => reply.finish(),
                Err(failure) => tracing::warn!(%failure, "a server did not take the answer to its question"),
            }
        });
        Ok(())
    }

    /// Goes on where the stream broke off (2025-11-25, "Resumability and Redelivery").
    async fn resume(&self, decoder: &mut Decoder) -> Result<Body, Failure> {
        let Some(last_id) = decoder.last_id.clone().filter(|_| self.has_sessions) else {
            return Err(Failure::Lost);
        };
        tokio::time::sleep(decoder.retry.unwrap_or(RETRY).max(SOONEST)).await;
        let reply = self.wire.get(&self.credentials, self.named.clone(), Some(&last_id)).await?;
        if !reply.is_success() || !reply.is_stream() {
            return Err(Failure::Lost);
        }
        decoder.restart();
        Ok(reply.into_body())
    }
}
