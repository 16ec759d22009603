//! The pool: every server that is spoken to at the moment, by the key of its endpoint.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_oauth::{Clock, Seconds};
use portcullis_outbound::Outbound;
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use crate::heard::{Heard, Inbox};
use crate::peer::Peer;
use crate::session::Context;
use crate::stdio::{Launcher, Spawner};
use crate::{Endpoint, Failure, Greeting, Listening, Request, Subscription};

/// What a pool allows.
#[derive(Clone, Debug)]
pub struct Settings {
    /// So many bytes one answer may have, its notifications not counted.
    pub response_limit: usize,
    /// So many requests to one key are under way at once.
    pub at_once: usize,
    /// So many more wait for a place; others are [`Failure::Busy`].
    pub waiting: usize,
    /// So many failures in a row open the breaker of a key.
    pub failures: u32,
    /// So long an open breaker lets nobody through.
    pub rest: Seconds,
    /// A session or child that was not used for so long is ended by [`Pool::sweep`].
    pub idle: Seconds,
    /// How programs are started; without it none is.
    pub launcher: Option<Launcher>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // A result of 1 MiB, and what stands around it.
            response_limit: (1_024 + 64) * 1_024,
            at_once: 16,
            waiting: 64,
            failures: 5,
            rest: Seconds(30),
            idle: Seconds::minutes(5),
            launcher: None,
        }
    }
}

/// Every server that is spoken to. Cheap to clone; one a process.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    context: Context,
    clock: Arc<dyn Clock>,
    peers: Mutex<HashMap<String, Arc<Peer>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.0.peers().len()).finish()
    }
}

impl Pool {
    /// A pool that connects through `outbound`.
    #[must_use]
    pub fn new(outbound: Outbound, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let context = Context { outbound, settings, inbox: Inbox::default(), spawner: Spawner::default() };
        Self(Arc::new(Inner { context, clock, peers: Mutex::default() }))
    }

    /// Sends one request and gives its raw `result`, within the request's time.
    ///
    /// # Errors
    /// See [`Failure`]. A request is sent a second time only where the server said that it did not carry out the first.
    pub async fn request(&self, endpoint: &Endpoint, request: Request) -> Result<Box<RawValue>, Failure> {
        self.peer(endpoint).request(&self.0.context, &*self.0.clock, endpoint, request).await
    }

    /// What the server said of itself; it is asked if it was not spoken to yet.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn greeting(&self, endpoint: &Endpoint) -> Result<Greeting, Failure> {
        self.peer(endpoint).greeting(&self.0.context, &*self.0.clock, endpoint).await
    }

    /// What servers said has changed, of the keys that are wanted: of each one piece, which nobody else gets. Waits until there
    /// is something; what is not wanted now is kept until it is. Dropped before its end it loses nothing. For one listener.
    pub async fn heard(&self, is_wanted: impl FnMut(&str) -> bool) -> Vec<Heard> {
        let taken = self.0.context.inbox.take(is_wanted).await;
        let told = taken.into_iter().map(|(key, changes)| {
            let peer = self.0.peers().get(&key).cloned();
            changes.told(key, || peer.map(|peer| peer.asked()).unwrap_or_default())
        });
        told.collect()
    }

    /// Opens a stream of changes: `subscriptions/listen`, or the GET stream of a session. A server that offers none ends
    /// it at once. Of several streams of one endpoint the last to be opened or changed says of which resources it tells.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn listen(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Listening, Failure> {
        self.peer(endpoint).listen(&self.0.context, &*self.0.clock, endpoint, subscription).await
    }

    /// Has an open stream tell of something else. What it told of before and tells of afterwards it tells of meanwhile.
    ///
    /// # Errors
    /// See [`Failure`]; it is not known then of what it tells.
    pub async fn relisten(
        &self,
        endpoint: &Endpoint,
        listening: &mut Listening,
        subscription: &Subscription,
    ) -> Result<(), Failure> {
        // With other credentials it is another server.
        if listening.key != endpoint.key {
            *listening = self.listen(endpoint, subscription).await?;
            return Ok(());
        }
        self.peer(endpoint).relisten(&*self.0.clock, endpoint, listening, subscription).await
    }

    /// Ends every session and child whose key begins so, and none that is opened from now on; what is under way there is
    /// [`Failure::Ended`]. What it gives comes back when they are gone.
    pub fn end(&self, key_prefix: &str) -> impl Future<Output = ()> + Send + use<> {
        let mut peers = self.0.peers();
        let keys: Vec<_> = peers.keys().filter(|key| key.starts_with(key_prefix)).cloned().collect();
        close(keys.iter().filter_map(|key| peers.remove(key)).collect())
    }

    /// Ends everything.
    pub async fn end_all(&self) {
        self.end("").await;
    }

    /// Ends sessions and children that rested too long. To be called now and then.
    pub async fn sweep(&self) {
        let now = self.0.clock.now();
        let before = now.minus(self.0.context.settings.idle);
        let ended = {
            let mut peers = self.0.peers();
            // Asked under the lock, so that nobody picks up what is about to end.
            let rested = |peer: &Arc<Peer>| Arc::strong_count(peer) == 1 && peer.rested_since(before);
            let keys: Vec<_> =
                peers.iter().filter(|(_, peer)| rested(peer)).map(|(key, _)| key.clone()).collect();
            keys.iter().filter_map(|key| peers.remove(key)).collect()
        };
        close(ended).await;
    }

    fn peer(&self, endpoint: &Endpoint) -> Arc<Peer> {
        let mut peers = self.0.peers();
        if let Some(peer) = peers.get(&endpoint.key) {
            return peer.clone();
        }
        let peer = Arc::new(Peer::new(&self.0.context.settings, self.0.clock.now()));
        peers.insert(endpoint.key.clone(), peer.clone());
        peer
    }
}

async fn close(peers: Vec<Arc<Peer>>) {
    let mut closing = JoinSet::new();
    for peer in peers {
        closing.spawn(async move { peer.close().await });
    }
    closing.join_all().await;
}

impl Inner {
    fn peers(&self) -> MutexGuard<'_, HashMap<String, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
