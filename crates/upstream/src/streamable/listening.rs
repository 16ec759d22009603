//! Streams of changes: `subscriptions/listen` of the stateless era, the GET stream of a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::value::RawValue;

use super::wire::{Reply, Wire};
use crate::endpoint::Headers;
use crate::message::{self, Incoming};
use crate::sse::Decoder;
use crate::{Failure, RpcError, Subscription, meta, talk};

/// The request that opens a stream of the stateless era.
pub(crate) const LISTEN: &str = "subscriptions/listen";

/// Its parameters.
pub(crate) fn filter(subscription: &Subscription) -> Result<Box<RawValue>, Failure> {
    let mut filter = BTreeMap::new();
    for (name, is_wanted) in [
        ("toolsListChanged", subscription.tools),
        ("promptsListChanged", subscription.prompts),
        ("resourcesListChanged", subscription.resources),
    ] {
        if is_wanted {
            filter.insert(name, meta::raw(&true)?);
        }
    }
    if !subscription.uris.is_empty() {
        filter.insert("resourceSubscriptions", meta::raw(&subscription.uris)?);
    }
    meta::raw(&BTreeMap::from([("notifications", filter)]))
}

/// A stream of changes that is open.
pub(super) struct Changes {
    pub(super) wire: Arc<Wire>,
    pub(super) credentials: Headers,
    pub(super) named: HeaderMap,
}

impl Changes {
    /// Reads it until the server ends it. Such a stream has no end by itself, so nothing but each event is bounded.
    pub(super) async fn read(self, reply: Reply) {
        let mut body = reply.into_body();
        let mut decoder = Decoder::new(self.wire.limit, u64::MAX);
        while let Ok(Some(event)) = decoder.next(&mut body).await {
            match message::read(&event.data) {
                Ok(Incoming::Said(notification)) => self.wire.board.post(notification),
                Ok(Incoming::Asked { id, asked }) => self.refuse(&id, asked).await,
                // The end of the subscription, or nothing that can be understood.
                _ => break,
            }
        }
    }

    /// Nobody waits on this stream whom a question could be put to.
    async fn refuse(&self, id: &RawValue, asked: crate::Asked) {
        let outcome: Result<_, RpcError> = talk::answer(None, asked).await;
        let Ok(body) = message::reply(id, &outcome) else { return };
        if let Ok(reply) = self.wire.post(&self.credentials, self.named.clone(), body).await {
            reply.finish();
        }
    }
}
