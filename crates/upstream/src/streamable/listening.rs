//! Streams of changes: `subscriptions/listen` of the stateless era, the GET stream of a session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::wire::{Reply, Wire};
use crate::endpoint::Headers;
use crate::message::{self, Incoming};
use crate::sse::Decoder;
use crate::{Failure, Notification, RpcError, Subscription, meta, talk};

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

/// So long a server may take for its first word.
const FIRST_WORD: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Acknowledged {
    notifications: Honoured,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Honoured {
    #[serde(default)]
    resource_subscriptions: Vec<String>,
}

/// Of which resources a server says that it tells; nothing when it says something else.
pub(crate) fn honoured(notification: &Notification) -> Option<Vec<String>> {
    if notification.method != talk::ACKNOWLEDGED {
        return None;
    }
    let params = notification.params.as_deref()?.get();
    let read = serde_json::from_str::<Acknowledged>(params).ok()?;
    Some(read.notifications.resource_subscriptions)
}

/// The same, once it is said. A server that does not say it may tell of lists all the same.
pub(crate) async fn acknowledged(told: oneshot::Receiver<Vec<String>>) -> Option<Vec<String>> {
    timeout(FIRST_WORD, told).await.ok()?.ok()
}

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
                    self.wire.board.post(notification);
                }
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
