//! The line to the client while its request is worked on: what an upstream says meanwhile goes out on it, and what an
//! upstream asks comes back on it, where the client's era has such questions. A line that nobody opened takes nothing.

mod end;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_oauth::{SecretHash, random_handle};
use portcullis_upstream::RpcError;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::protocol::{Level, code};
use crate::reach::Asking;
use crate::relay::Tally;
pub(crate) use end::{End, Unanswered};

/// So many messages wait for a client that reads slowly; what comes then is lost, as notifications may be.
const WAITING: usize = 64;
/// A person gets so long for an answer.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a client answered: a result, or that there is none.
type Reaction = Result<Box<RawValue>, RpcError>;

/// Questions that nobody has answered, by the session that they were asked in and their id.
type Open = HashMap<(SecretHash, String), oneshot::Sender<Reaction>>;

/// Questions that clients were asked. Only the session that was asked can answer (T18).
#[derive(Clone, Default)]
pub(crate) struct Questions(Arc<Mutex<Open>>);

impl Questions {
    /// Takes an answer that a session's client posted. An answer to nothing is dropped.
    pub(crate) fn answered(&self, session: &SecretHash, id: &str, reaction: Reaction) {
        let waiting = self.open().remove(&(session.clone(), id.to_owned()));
        // Who asked may have gone.
        drop(waiting.map(|waiting| waiting.send(reaction)));
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is forgotten when nobody waits for it any more.
struct Waiting<'a>(&'a Questions, (SecretHash, String));

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.open().remove(&self.1);
    }
}

/// The line. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Line(Arc<Inner>);

struct Inner {
    out: mpsc::Sender<Value>,
    /// Whether the client asked to be told of progress.
    progress: bool,
    /// Below this, log messages are not passed on; without it none or all, as the era has it.
    level: Option<Level>,
    asking: Asking,
    session: Option<SecretHash>,
    streams: bool,
    questions: Questions,
    tally: Tally,
    open: AtomicUsize,
    heard: Mutex<Instant>,
}

/// A person who thinks about a question, until whoever asked waits no more.
struct Thinking<'a>(&'a Line);

impl Drop for Thinking<'_> {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.stirs();
    }
}

/// What a client can take while it waits.
pub(crate) struct Ability {
    /// Whether it asked for progress.
    pub(crate) progress: bool,
    /// From which level on it wants log messages.
    pub(crate) level: Option<Level>,
    /// What it can be asked, and in which session the answer comes.
    pub(crate) asking: Asking,
    /// The session, in the era that has them.
    pub(crate) session: Option<SecretHash>,
    /// Whether it takes a stream, so that its request can be held.
    pub(crate) streams: bool,
}

impl Line {
    /// A line, and what comes out of it at the client's end.
    pub(crate) fn open(ability: Ability, questions: Questions) -> (Self, mpsc::Receiver<Value>) {
        let (out, client) = mpsc::channel(WAITING);
        let Ability { progress, level, asking, session, streams } = ability;
        let (open, heard) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        let tally = Tally::default();
        let inner = Inner { out, progress, level, asking, session, streams, questions, tally, open, heard };
        (Self(Arc::new(inner)), client)
    }

    /// What the client can be asked in the middle of its request.
    pub(crate) fn asking(&self) -> Asking {
        if self.0.session.is_some() { self.0.asking } else { Asking::NOTHING }
    }

    /// Whether questions are asked in the middle of a request, as in the era of sessions.
    pub(crate) fn asks_in_between(&self) -> bool {
        self.0.session.is_some()
    }

    /// What the client can be asked at all: in the stateless era at the end of a round.
    pub(crate) fn able(&self) -> Asking {
        self.0.asking
    }

    /// How often upstreams asked on it.
    pub(crate) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Lets the answer begin now though it is not known yet: what waits for a person is not overload. `false` when the client
    /// takes no stream, and so can only be made to wait in silence.
    pub(crate) async fn begin(&self) -> bool {
        self.0.streams && self.0.out.send(Value::Null).await.is_ok()
    }

    /// Since when nothing was heard from either end; nothing, while a person is thinking.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let heard = *self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        (self.0.open.load(Ordering::Relaxed) == 0).then_some(heard)
    }

    /// Asks the client or the person behind it, and waits for the answer.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Reaction {
        let Some(session) = self.0.session.clone() else { return Err(RpcError::method_not_found(method)) };
        let id = random_handle("ask_");
        let (answer, waiting) = oneshot::channel();
        let key = (session, id.clone());
        self.0.questions.open().insert(key.clone(), answer);
        let _forgotten = Waiting(&self.0.questions, key);
        let question = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let gone =
            || RpcError { code: code::INTERNAL_ERROR, message: "nobody answered".to_owned(), data: None };
        self.0.out.send(question).await.map_err(|_| gone())?;
        self.0.open.fetch_add(1, Ordering::Relaxed);
        let _thinking = Thinking(self);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(reaction)) => reaction,
            _ => Err(gone()),
        }
    }

    fn say(&self, method: &str, params: &RawValue) {
        let params: Value = serde_json::from_str(params.get()).unwrap_or_default();
        // A client that does not read loses messages, and nothing else.
        drop(self.0.out.try_send(json!({"jsonrpc": "2.0", "method": method, "params": params})));
    }

    fn stirs(&self) {
        *self.0.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}
