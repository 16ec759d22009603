//! One key of the pool: its places, its breaker and its sessions.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_oauth::{Clock, Timestamp};
use serde_json::value::RawValue;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::breaker::{Breaker, Limits};
use crate::pool::Settings;
use crate::session::{Context, Session, Trouble};
use crate::stdio::Restarts;
use crate::{Endpoint, Failure, Greeting, Listening, Request, Subscription, Transport};

/// So long a session may take to open, whatever time its request has: programs may be fetched before they start.
const OPENING: Duration = Duration::from_mins(1);

/// A session that may still have to be opened; who holds the lock opens it.
type Slot = Arc<AsyncMutex<Option<Arc<Session>>>>;

/// One key.
pub(crate) struct Peer {
    places: Semaphore,
    /// Those who are under way and those who wait.
    entrance: Semaphore,
    limits: Limits,
    ended: CancellationToken,
    /// Held by whoever listens to changes.
    in_use: Arc<()>,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    restarts: Restarts,
    /// By where the server is and what was declared to it.
    sessions: HashMap<(String, String), Slot>,
    used: Timestamp,
    /// The resources of which its server was last asked to tell.
    asked: BTreeSet<String>,
}

impl Peer {
    pub(crate) fn new(settings: &Settings, now: Timestamp) -> Self {
        Self {
            places: Semaphore::new(settings.at_once),
            entrance: Semaphore::new(settings.at_once + settings.waiting),
            limits: Limits { failures: settings.failures, rest: settings.rest },
            ended: CancellationToken::new(),
            in_use: Arc::default(),
            state: Mutex::new(State {
                breaker: Breaker::default(),
                restarts: Restarts::default(),
                sessions: HashMap::new(),
                used: now,
                asked: BTreeSet::new(),
            }),
        }
    }

    /// Whether nobody used it since, and nobody listens.
    pub(crate) fn rested_since(&self, before: Timestamp) -> bool {
        Arc::strong_count(&self.in_use) == 1 && self.state().used < before
    }

    /// The resources of which its server was last asked to tell.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.state().asked.clone()
    }

    /// One request, from its place to its end.
    pub(crate) async fn request(
        &self,
        context: &Context,
        clock: &dyn Clock,
        endpoint: &Endpoint,
        request: Request,
    ) -> Result<Box<RawValue>, Failure> {
        let within = request.within;
        let request = &request;
        let asking = self.in_session((context, clock), endpoint, |session| async move {
            session.request(endpoint, request).await
        });
        self.guarded(clock, within, asking).await
    }

    /// What the server said of itself.
    pub(crate) async fn greeting(
        &self,
        context: &Context,
        clock: &dyn Clock,
        endpoint: &Endpoint,
    ) -> Result<Greeting, Failure> {
        let opening = async { Ok(self.session(context, clock, endpoint).await?.greeting().clone()) };
        self.guarded(clock, OPENING, opening).await
    }

    /// A stream of changes. It takes no place once it is open.
    pub(crate) async fn listen(
        &self,
        context: &Context,
        clock: &dyn Clock,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Listening, Failure> {
        self.state().asked = subscription.uris.iter().cloned().collect();
        let opening = self.in_session((context, clock), endpoint, |session| async move {
            session.listen(endpoint, subscription).await
        });
        let mut listening = self.guarded(clock, OPENING, opening).await?;
        listening.in_use = Some(self.in_use.clone());
        Ok(listening)
    }

    /// The same stream for something else.
    pub(crate) async fn relisten(
        &self,
        clock: &dyn Clock,
        endpoint: &Endpoint,
        listening: &mut Listening,
        subscription: &Subscription,
    ) -> Result<(), Failure> {
        self.state().asked = subscription.uris.iter().cloned().collect();
        let session = listening.session.clone();
        let changing = async {
            session.relisten(endpoint, listening, subscription).await.map_err(Trouble::into_failure)
        };
        self.guarded(clock, OPENING, changing).await
    }

    /// Ends what is under way, and then the sessions.
    pub(crate) async fn close(&self) {
        self.ended.cancel();
        let sessions: Vec<_> = self.state().sessions.drain().map(|(_, slot)| slot).collect();
        for slot in sessions {
            if let Some(session) = slot.lock().await.take() {
                session.close().await;
            }
        }
    }

    /// Does some work with this server if it may be done now, and notes how it ended.
    async fn guarded<T>(
        &self,
        clock: &dyn Clock,
        within: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let _entered = self.entrance.try_acquire().map_err(|_| Failure::Busy)?;
        let placed = async {
            let _place = self.place().await?;
            let now = clock.now();
            {
                let mut state = self.state();
                state.used = now;
                let admitted = state.breaker.admit(self.limits, now);
                admitted.map_err(|retry_after| Failure::BreakerOpen { retry_after })?;
            }
            tokio::select! {
                biased;
                () = self.ended.cancelled() => Err(Failure::Ended),
                outcome = work => outcome,
            }
        };
        let outcome = timeout(within, placed).await.unwrap_or(Err(Failure::Timeout));
        let now = clock.now();
        let mut state = self.state();
        state.used = now;
        match &outcome {
            // These say nothing about the server.
            Err(Failure::BreakerOpen { .. } | Failure::Ended | Failure::Busy) => {}
            outcome => {
                let is_ill = outcome.as_ref().err().is_some_and(Failure::is_ill);
                state.breaker.note(is_ill, self.limits, now);
            }
        }
        outcome
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.places.acquire().await.map_err(|_| Failure::Ended)
    }

    /// Does it in a session; once more in a new one if the server knew nothing of the old one, and so did nothing.
    async fn in_session<T, Outcome: Future<Output = Result<T, Trouble>>>(
        &self,
        (context, clock): (&Context, &dyn Clock),
        endpoint: &Endpoint,
        work: impl Fn(Arc<Session>) -> Outcome,
    ) -> Result<T, Failure> {
        let session = self.session(context, clock, endpoint).await?;
        match work(session.clone()).await {
            Err(Trouble::Unknown(_)) => {
                self.forget(endpoint, &session).await;
                let session = self.session(context, clock, endpoint).await?;
                work(session).await.map_err(Trouble::into_failure)
            }
            outcome => outcome.map_err(Trouble::into_failure),
        }
    }

    async fn session(
        &self,
        context: &Context,
        clock: &dyn Clock,
        endpoint: &Endpoint,
    ) -> Result<Arc<Session>, Failure> {
        let slot = self.slot(endpoint);
        let mut slot = slot.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| session.is_alive()) {
            return Ok(session.clone());
        }
        if let Transport::Stdio(_) = endpoint.transport {
            let admitted = self.state().restarts.admit(clock.now());
            admitted.map_err(|retry_after| Failure::BreakerOpen { retry_after })?;
        }
        let opened = timeout(OPENING, Session::open(context, endpoint)).await;
        let session = Arc::new(opened.unwrap_or(Err(Failure::Timeout))?);
        *slot = Some(session.clone());
        Ok(session)
    }

    async fn forget(&self, endpoint: &Endpoint, session: &Arc<Session>) {
        let slot = self.slot(endpoint);
        let mut slot = slot.lock().await;
        if slot.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, session)) {
            *slot = None;
        }
    }

    fn slot(&self, endpoint: &Endpoint) -> Slot {
        let which = (endpoint.transport.place(), endpoint.capabilities.get().to_owned());
        self.state().sessions.entry(which).or_default().clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
