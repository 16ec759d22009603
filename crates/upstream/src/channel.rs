//! One stream in each direction that all requests share: a child's standard streams, or HTTP with SSE of 2024-11-05. Who
//! waits for which answer is kept here; how a line travels is the [`Outbox`]'s business.

mod opening;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::handshake::FIRST_ID;
use crate::listening::{self, Opened};
use crate::message::{self, Incoming};
use crate::talk::{self, Board, Listener, PING};
use crate::{
    Asked, BoxFuture, Endpoint, Era, Failure, Greeting, Notification, Request, RpcError, Subscription, meta,
};

pub(crate) use opening::{initialize, open};

/// So many questions of a server are open at once in one request; more are refused.
const ASKED: usize = 16;
/// So many answers that nobody has to give are on their way at once. A server that takes none of them is not read on.
const AT_ONCE: usize = 16;
/// So many lines that cannot be read are passed over; a server that writes more is no server.
const UNREADABLE: usize = 100;

/// How one message gets to the server.
pub(crate) trait Outbox: Send + Sync {
    /// Sends it, or says why it cannot be sent.
    fn send(&self, message: Vec<u8>) -> BoxFuture<'_, Result<(), Failure>>;
}

/// The stream of one server.
pub(crate) struct Channel {
    outbox: Box<dyn Outbox>,
    board: Board,
    requests: AtomicU64,
    state: Mutex<State>,
    /// What the server turned out to speak.
    era: OnceLock<Era>,
    /// Places for answers that nobody has to give.
    replies: Arc<Semaphore>,
    /// Whoever answers questions ends with the channel.
    ended: CancellationToken,
}

#[derive(Default)]
struct State {
    waiting: HashMap<u64, Waiting>,
    unreadable: usize,
    /// Why it is over.
    over: Option<Failure>,
}

struct Waiting {
    answer: oneshot::Sender<Result<Box<RawValue>, Failure>>,
    who: Who,
    /// What the server asks meanwhile. It ends with the request, whatever becomes of that.
    questions: JoinSet<()>,
}

/// Who waits for an answer.
enum Who {
    /// Nobody who hears anything else.
    Deaf,
    /// Somebody who hears what is said meanwhile.
    Listener(Listener),
    /// A stream of changes, and who wants to know of which resources it tells.
    Stream(Option<oneshot::Sender<Vec<String>>>),
}

impl Waiting {
    fn listener(&self) -> Option<&Listener> {
        if let Who::Listener(listener) = &self.who { Some(listener) } else { None }
    }
}

/// What became of a question.
enum Put {
    /// Somebody answers it.
    ToWhoWaits,
    /// Nobody is there to answer it, or nobody has to.
    ToNobody,
    /// Who waits is asked too much already.
    OneTooMany,
}

/// What can still be read of a message that cannot be read.
#[derive(Deserialize)]
struct Blurred {
    id: u64,
}

impl Channel {
    pub(crate) fn new(outbox: Box<dyn Outbox>, board: Board) -> Arc<Self> {
        let (requests, state, era) = (AtomicU64::new(FIRST_ID), Mutex::default(), OnceLock::new());
        let (replies, ended) = (Arc::new(Semaphore::new(AT_ONCE)), CancellationToken::new());
        Arc::new(Self { outbox, board, requests, state, era, replies, ended })
    }

    /// Whether it can still be used.
    pub(crate) fn is_open(&self) -> bool {
        self.state().over.is_none()
    }

    /// It is over; everybody who waits learns why.
    pub(crate) fn close(&self, why: &Failure) {
        let waiting = {
            let mut state = self.state();
            state.over.get_or_insert_with(|| why.clone());
            std::mem::take(&mut state.waiting)
        };
        self.ended.cancel();
        for (_, waiting) in waiting {
            // Whoever does not wait any more need not know.
            let _ = waiting.answer.send(Err(why.clone()));
        }
    }

    /// One request, as the server's era has it.
    pub(crate) async fn request(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        greeting: &Greeting,
        request: &Request,
    ) -> Result<Box<RawValue>, Failure> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let given = request.params.as_deref();
        let prepared = meta::prepare(given, greeting.revision, &endpoint.capabilities, id)?;
        let body = message::request(id, &request.method, prepared.params.as_deref())?;
        let token = prepared.token.map(Into::into);
        let listener = Listener { events: request.events.clone(), id, token };
        self.exchange(id, body, Who::Listener(listener)).await
    }

    /// A stream of changes. With sessions the one stream says all that is said; the stateless era is asked for it.
    pub(crate) async fn listen(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        greeting: &Greeting,
        subscription: &Subscription,
    ) -> Result<Opened, Failure> {
        let (channel, mut tasks) = (self.clone(), JoinSet::new());
        if greeting.revision.era() == Era::Session {
            tasks.spawn(async move { channel.ended.cancelled().await });
            return Ok(Opened { tasks, acknowledged: None });
        }
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let filter = listening::filter(subscription)?;
        let prepared = meta::prepare(Some(&filter), greeting.revision, &endpoint.capabilities, id)?;
        let body = message::request(id, listening::LISTEN, prepared.params.as_deref())?;
        let (told, acknowledged) = oneshot::channel();
        tasks.spawn(async move {
            if let Err(failure) = channel.exchange(id, body, Who::Stream(Some(told))).await {
                tracing::debug!(%failure, "a server tells of no changes");
            }
        });
        Ok(Opened { tasks, acknowledged: listening::acknowledged(acknowledged).await })
    }

    /// Sends a request and waits for its answer; dropped before that it tells the server.
    async fn exchange(self: &Arc<Self>, id: u64, body: Vec<u8>, who: Who) -> Result<Box<RawValue>, Failure> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.state();
            if let Some(why) = &state.over {
                return Err(why.clone());
            }
            state.waiting.insert(id, Waiting { answer, who, questions: JoinSet::new() });
        }
        let _place = Place { channel: self, id };
        self.outbox.send(body).await?;
        answered.await.unwrap_or(Err(Failure::Lost))
    }

    /// Takes one message that came. Waits while the server asks faster than it takes answers.
    pub(crate) async fn receive(self: &Arc<Self>, text: &[u8]) -> Result<(), Failure> {
        match message::read(text) {
            Ok(Incoming::Answer { id, outcome }) => {
                // An answer that nobody waits for is to somebody who went away.
                if let Some(waiting) = self.state().waiting.remove(&id) {
                    let _ = waiting.answer.send(outcome.map_err(Failure::Rpc));
                }
                Ok(())
            }
            Ok(Incoming::Said(notification)) => {
                self.said(notification);
                Ok(())
            }
            Ok(Incoming::Asked { id, asked }) if self.era.get() != Some(&Era::Stateless) => {
                self.asked(id, asked).await;
                Ok(())
            }
            Ok(Incoming::Asked { .. } | Incoming::Refused(_)) => Ok(()),
            Err(failure) => self.unreadable(text, failure),
        }
    }

    /// Tells who waits for the request that it was said about. Where that cannot be told it is for everybody, unless one
    /// alone waits.
    fn said(&self, notification: Notification) {
        if let Some(resources) = listening::honoured(&notification) {
            self.acknowledged(&notification, resources);
        }
        let listener = {
            let state = self.state();
            let by_token = meta::token(&notification).and_then(|id| state.waiting.get(&id));
            by_token.or_else(|| alone(state.waiting.values())).and_then(|waiting| waiting.listener().cloned())
        };
        match listener {
            Some(listener) => self.board.sort(notification, &listener),
            None => self.board.post(&notification),
        }
    }

    /// Tells the stream that this was the first word of.
    fn acknowledged(&self, notification: &Notification, resources: Vec<String>) {
        let mut state = self.state();
        let waiting = meta::subscription(notification).and_then(|id| state.waiting.get_mut(&id));
        if let Some(Waiting { who: Who::Stream(told), .. }) = waiting
            && let Some(told) = told.take()
        {
            drop(told.send(resources));
        }
    }

    /// Lets the question be answered by who waits, if one alone does: whom it is for cannot be told otherwise. What nobody has
    /// to think about is answered here.
    async fn asked(self: &Arc<Self>, id: Box<RawValue>, asked: Asked) {
        let outcome = match self.put(&id, &asked) {
            Put::ToWhoWaits => return,
            Put::ToNobody => talk::at_once(&asked),
            Put::OneTooMany => Err(RpcError::too_much()),
        };
        // It is never closed: in the end there is a place.
        let Ok(place) = self.replies.clone().acquire_owned().await else { return };
        let channel = self.clone();
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = channel.ended.cancelled() => {}
                () = channel.reply(&id, &outcome) => {}
            }
        });
    }

    /// Puts the question to who waits, as long as that one does.
    fn put(self: &Arc<Self>, id: &RawValue, asked: &Asked) -> Put {
        let mut state = self.state();
        let waiting = alone(state.waiting.values_mut()).filter(|_| asked.method != PING);
        let Some(Waiting { who: Who::Listener(listener), questions, .. }) = waiting else {
            return Put::ToNobody;
        };
        while questions.try_join_next().is_some() {}
        if questions.len() >= ASKED {
            return Put::OneTooMany;
        }
        let (channel, listener) = (self.clone(), listener.clone());
        let (id, asked) = (id.to_owned(), asked.clone());
        questions.spawn(async move {
            let outcome = talk::answer(&listener, asked).await;
            channel.reply(&id, &outcome).await;
        });
        Put::ToWhoWaits
    }

    async fn reply(&self, id: &RawValue, outcome: &Result<Box<RawValue>, RpcError>) {
        if let Ok(body) = message::reply(id, outcome) {
            // That the server is gone, those who wait learn elsewhere.
            let _ = self.outbox.send(body).await;
        }
    }

    /// A message that cannot be read fails the request that it would have answered; any other is passed over, for many
    /// programs greet with a line that is no message.
    fn unreadable(&self, text: &[u8], failure: Failure) -> Result<(), Failure> {
        let mut state = self.state();
        state.unreadable += 1;
        if state.unreadable > UNREADABLE {
            return Err(failure);
        }
        let id = serde_json::from_slice::<Blurred>(text).ok().map(|blurred| blurred.id);
        if let Some(waiting) = id.and_then(|id| state.waiting.remove(&id)) {
            let _ = waiting.answer.send(Err(failure));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who waits and would hear, if it is one.
fn alone<W: Borrow<Waiting>>(waiting: impl Iterator<Item = W>) -> Option<W> {
    let mut all = waiting.filter(|waiting| waiting.borrow().listener().is_some());
    all.next().filter(|_| all.next().is_none())
}

/// Waiting for an answer; who leaves before it came says so.
struct Place<'a> {
    channel: &'a Arc<Channel>,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let left = self.channel.state().waiting.remove(&self.id);
        let (Some(_), Ok(runtime)) = (left, tokio::runtime::Handle::try_current()) else { return };
        // The greeting cannot be taken back (2025-11-25, "Cancellation").
        if self.id < FIRST_ID {
            return;
        }
        let (channel, id) = (self.channel.clone(), self.id);
        runtime.spawn(async move {
            if let Ok(body) = meta::cancelled(id) {
                let _ = channel.outbox.send(body).await;
            }
        });
    }
}
