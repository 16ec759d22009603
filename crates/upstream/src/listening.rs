//! Streams of changes over an open session, whatever carries them, and the single resources of which they tell: in the eras of sessions each is
//! asked for by a request in the session whose stream it is, in the stateless one all of them with the stream.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::session::{Session, Trouble};
use crate::{Endpoint, Failure, Notification, Request, meta};

/// The request that opens a stream of the stateless era.
pub(crate) const LISTEN: &str = "subscriptions/listen";
/// The first word of such a stream.
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const SUBSCRIBE: &str = "resources/subscribe";
const UNSUBSCRIBE: &str = "resources/unsubscribe";
/// So long a server may take for its first word over a stream.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// So long a server may take to say of one resource whether it tells of it.
const WITHIN: Duration = Duration::from_secs(10);
/// And of all of them: a stream is not lost to those of which the server says nothing.
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// Which changes to listen to. In the eras of sessions a server says of lists all that it says.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    /// `notifications/tools/list_changed`.
    pub tools: bool,
    /// `notifications/prompts/list_changed`.
    pub prompts: bool,
    /// `notifications/resources/list_changed`.
    pub resources: bool,
    /// `notifications/resources/updated` of these.
    pub uris: Vec<String>,
}

/// A stream of changes that is open; dropping it closes it. What is heard goes to [`Pool::heard`](crate::Pool::heard).
pub struct Listening {
    tasks: JoinSet<()>,
    /// While it is held, its connection does not rest.
    pub(crate) in_use: Option<Arc<()>>,
    /// The key of the endpoint that it was opened to.
    pub(crate) key: String,
    pub(crate) session: Arc<Session>,
    refused: BTreeMap<String, Failure>,
}

impl Listening {
    /// Waits until the server ends the stream. Who still wants to know opens another, after a while.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }

    /// Whether the server opened a stream at all.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// The resources of which it does not tell although it was asked to, and why.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<String, Failure> {
        &self.refused
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listening").field(&self.key).finish_non_exhaustive()
    }
}

/// Resources of which a server was asked to tell in one session, and said that it will.
pub(crate) type Subscribed = AsyncMutex<BTreeSet<String>>;

/// A stream as its transport opened it.
pub(crate) struct Opened {
    pub(crate) tasks: JoinSet<()>,
    /// Of which resources it tells, where the server says so with the stream, and said it in time.
    pub(crate) acknowledged: Option<Vec<String>>,
}

impl Session {
    /// Opens a stream of changes.
    pub(crate) async fn listen(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Listening, Trouble> {
        let Opened { tasks, acknowledged } = self.stream(endpoint, subscription).await?;
        let refused = self.subscribe(endpoint, subscription, acknowledged).await?;
        let (session, key) = (self.clone(), endpoint.key.clone());
        Ok(Listening { tasks, in_use: None, key, session, refused })
    }

    /// Has an open stream tell of something else.
    pub(crate) async fn relisten(
        &self,
        endpoint: &Endpoint,
        listening: &mut Listening,
        subscription: &Subscription,
    ) -> Result<(), Trouble> {
        let mut told = None;
        if !self.has_sessions() {
            let Opened { tasks, acknowledged } = self.stream(endpoint, subscription).await?;
            // The one before ends here, when the new one has begun.
            listening.tasks = tasks;
            told = acknowledged;
        }
        listening.refused = self.subscribe(endpoint, subscription, told).await?;
        Ok(())
    }

    /// Sees to it that the server tells of these resources and of no other; gives those of which it does not.
    async fn subscribe(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
        acknowledged: Option<Vec<String>>,
    ) -> Result<BTreeMap<String, Failure>, Trouble> {
        let wanted: BTreeSet<&String> = subscription.uris.iter().collect();
        if !self.has_sessions() {
            let why = if acknowledged.is_some() { Failure::NotOffered } else { Failure::Timeout };
            let acknowledged = acknowledged.unwrap_or_default();
            let missing = wanted.into_iter().filter(|uri| !acknowledged.contains(uri));
            return Ok(missing.map(|uri| (uri.clone(), why.clone())).collect());
        }
        let mut subscribed = self.subscribed.lock().await;
        let stale: Vec<String> = subscribed.iter().filter(|uri| !wanted.contains(uri)).cloned().collect();
        for uri in stale {
            subscribed.remove(&uri);
            // That a server does not take it back harms nobody: what it says is passed on to none.
            if let Err(trouble @ Trouble::Unknown(_)) = self.ask(endpoint, UNSUBSCRIBE, &uri).await {
                return Err(trouble);
            }
        }
        let (mut refused, until) = (BTreeMap::new(), Instant::now() + ALL_WITHIN);
        for uri in wanted.into_iter().filter(|uri| !subscribed.contains(*uri)).collect::<Vec<_>>() {
            let asked = timeout_at(until, self.ask(endpoint, SUBSCRIBE, uri)).await;
            match asked.unwrap_or(Err(Trouble::Failed(Failure::Timeout))) {
                Ok(_) => drop(subscribed.insert(uri.clone())),
                Err(Trouble::Failed(failure)) if !matches!(failure, Failure::Unauthorized { .. }) => {
                    refused.insert(uri.clone(), failure);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(refused)
    }

    async fn ask(&self, endpoint: &Endpoint, method: &str, uri: &str) -> Result<Box<RawValue>, Trouble> {
        let request = Request::new(method).with(meta::raw(&BTreeMap::from([("uri", uri)]))?);
        let asked = timeout(WITHIN, self.request(endpoint, &request)).await;
        asked.unwrap_or(Err(Trouble::Failed(Failure::Timeout)))
    }
}

/// The parameters of [`LISTEN`].
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
    if notification.method != ACKNOWLEDGED {
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
