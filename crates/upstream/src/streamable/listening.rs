//! Reading a stream of changes: `subscriptions/listen` of the stateless era, the GET stream of a session.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::wire::{Reply, Wire};
use crate::endpoint::Headers;
use crate::listening::honoured;
use crate::message::{self, Incoming};
use crate::sse::Decoder;
use crate::{Asked, talk};

/// A stream of changes that is open.
pub(super) struct Changes {
    pub(super) wire: Arc<Wire>,
    pub(super) credentials: Headers,
    pub(super) named: HeaderMap,
    /// Who waits to hear of which resources it tells.
    pub(super) told: Option<oneshot::Sender<Vec<String>>>,
}

impl Changes {
    /// Reads it until the server ends it. Such a stream has no end by itself, so nothing but each event is bounded.
    pub(super) async fn read(mut self, reply: Reply) {
        let mut body = reply.into_body();
        let mut decoder = Decoder::new(self.wire.limit, u64::MAX);
        while let Ok(Some(event)) = decoder.next(&mut body).await {
            match message::read(&event.data) {
                Ok(Incoming::Said(notification)) => {
                    // Whatever comes first ends the wait.
                    if let Some(told) = self.told.take() {
                        drop(told.send(honoured(&notification).unwrap_or_default()));
                    }
                    self.wire.board.post(&notification);
                }
                Ok(Incoming::Asked { id, asked }) => self.refuse(&id, &asked).await,
                // The end of the subscription, or nothing that can be understood.
                _ => break,
            }
        }
    }

    /// Nobody waits on this stream whom a question could be put to.
    async fn refuse(&self, id: &RawValue, asked: &Asked) {
        let Ok(body) = message::reply(id, &talk::at_once(asked)) else { return };
        if let Ok(reply) = self.wire.post(&self.credentials, self.named.clone(), body).await {
            reply.finish();
        }
    }
}
