//! Streams of changes from upstreams, open as long as somebody downstream listens: one a connection, however many listen.
//! Over it comes what changes of lists, and of the single resources that anybody downstream watches.

mod wishes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use portcullis_oauth::ConnectionId;
use portcullis_upstream::{Failure, Listening, Subscription};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Upstreams, who_lists};
use crate::bulletin::News;
use crate::connections::Connection;
use crate::reach::{Reached, Unreached};
use crate::sandbox::SERVER;
use wishes::{Held, Reader, Wishes, part};

/// A stream that ended is opened again after so long; a server that offers none ends it at once.
const AGAIN: Duration = Duration::from_mins(1);
/// The same for one that was open for so long: its server does offer some. Not at once: who may not listen any more has to
/// have gone by then (T20).
const SOON: Duration = Duration::from_secs(5);
const LASTING: Duration = Duration::from_secs(5);

/// Keeps the stream of one connection open until the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Watch(Option<Arc<Open>>);

/// Keeps one resource watched until it is dropped.
pub(crate) struct Eye {
    held: Held,
    connection: ConnectionId,
    _watch: Watch,
}

struct Open {
    connection: ConnectionId,
    task: AbortHandle,
    wishes: Arc<Wishes>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Every stream that is open. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Watches(Arc<Mutex<HashMap<ConnectionId, Weak<Open>>>>);

impl Watches {
    fn of(&self, connection: &ConnectionId) -> Option<Arc<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(connection).and_then(Weak::upgrade)
    }

    /// Whether anybody watches what changed.
    pub(super) fn want(&self, connection: &ConnectionId, uri: &str) -> bool {
        self.of(connection).is_some_and(|open| open.wishes.want(uri))
    }

    /// Lets the stream of a connection be opened now, if it waits.
    pub(super) fn stir(&self, connection: &ConnectionId) {
        if let Some(open) = self.of(connection) {
            open.wishes.stir();
        }
    }

    /// Whatever the stream of a connection would have told, it did not: it was ended.
    pub(super) fn miss(&self, connection: &ConnectionId) {
        if let Some(open) = self.of(connection) {
            open.wishes.miss();
        }
    }
}

impl Watch {
    /// Watches a resource too; nothing where none can be watched, or too many are. See [`Wishes::hold`].
    pub(super) fn resource(&self, uri: &str, comes_back: bool) -> Option<Eye> {
        let open = self.0.as_ref()?;
        let (held, connection) = (open.wishes.hold(uri, comes_back)?, open.connection.clone());
        Some(Eye { held, connection, _watch: self.clone() })
    }
}

impl Eye {
    /// Which part of what it watches an upstream speaks of that says that `uri` of a connection changed: nothing of it where
    /// that is all of it, and `None` where it speaks of something else.
    pub(crate) fn part<'u>(&self, connection: &ConnectionId, uri: &'u str) -> Option<&'u str> {
        if self.connection == *connection { part(self.held.uri(), uri) } else { None }
    }

    /// The connection that it watches.
    pub(crate) fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// Waits for the server's word whether it tells of this resource.
    pub(super) async fn settled(&self) -> Result<(), Failure> {
        self.held.settled().await
    }
}

impl Upstreams {
    /// Listens to the server of a connection. What it says reaches [`Upstreams::hear`].
    pub(crate) fn watch(&self, connection: &Connection) -> Watch {
        if connection.server == SERVER {
            return Watch(None);
        }
        let mut open = self.watches.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, stream| stream.strong_count() > 0);
        if let Some(stream) = open.get(&connection.id).and_then(Weak::upgrade) {
            return Watch(Some(stream));
        }
        let wishes = Arc::new(Wishes::default());
        let task = tokio::spawn(listen(self.clone(), connection.id.clone(), wishes.reader()));
        let stream = Arc::new(Open { connection: connection.id.clone(), task: task.abort_handle(), wishes });
        open.insert(connection.id.clone(), Arc::downgrade(&stream));
        Watch(Some(stream))
    }

    /// Listens until the stream ends, to whatever is wished meanwhile; says after what time to try again.
    async fn follow(&self, id: &ConnectionId, wishes: &mut Reader) -> Duration {
        let (mut stream, mut was_open, begun) = (None, false, Instant::now());
        loop {
            let (round, uris) = wishes.read();
            let outcome = self.tune(id, (&mut stream, &*wishes), uris).await;
            let Some(Tuned { listening, .. }) = &mut stream else {
                wishes.settle(round, Err(&outcome.err().unwrap_or(Failure::Ended)));
                return AGAIN;
            };
            let missed = wishes.settle(round, outcome.as_ref().map(|()| listening.refused()));
            if !missed.is_empty() {
                self.bulletin.tell(News::Updated(id.clone(), missed.into()));
            }
            was_open |= listening.is_open();
            // A server that could not say whether it tells of a resource is asked again.
            let asks_again = listening.refused().values().any(Failure::may_pass);
            tokio::select! {
                biased;
                () = listening.ended() => break,
                () = wishes.changed() => {}
                () = tokio::time::sleep(AGAIN), if asks_again => {}
            }
        }
        if was_open {
            wishes.miss();
        }
        if begun.elapsed() < LASTING { AGAIN } else { SOON }
    }

    /// Has the stream tell of all lists and of these resources. One that cannot be told so is opened anew, and there is none
    /// where that fails.
    async fn tune(
        &self,
        id: &ConnectionId,
        (stream, wishes): (&mut Option<Tuned>, &Reader),
        uris: Vec<String>,
    ) -> Result<(), Failure> {
        if stream.as_ref().is_some_and(|tuned| tuned.uris == uris && tuned.listening.refused().is_empty()) {
            return Ok(());
        }
        let wanted = Subscription { tools: true, prompts: true, resources: true, uris };
        if let Some(Tuned { mut listening, .. }) = stream.take() {
            if self.change(id, &mut listening, &wanted).await.is_ok() {
                *stream = Some(Tuned { listening, uris: wanted.uris });
                return Ok(());
            }
            // Its session is over, perhaps, or its token.
            wishes.miss();
        }
        let listening = self.open(id, &wanted).await?;
        *stream = Some(Tuned { listening, uris: wanted.uris });
        Ok(())
    }

    async fn change(
        &self,
        id: &ConnectionId,
        listening: &mut Listening,
        wanted: &Subscription,
    ) -> Result<(), Failure> {
        let (_, reached) = self.way_of(id).await?;
        Box::pin(self.pool.relisten(&reached.endpoint, listening, wanted)).await
    }

    /// Opens a stream. A token that was refused is renewed once.
    async fn open(&self, id: &ConnectionId, wanted: &Subscription) -> Result<Listening, Failure> {
        let (connection, reached) = self.way_of(id).await?;
        let opened = Box::pin(self.pool.listen(&reached.endpoint, wanted)).await;
        match (opened, &reached.token) {
            (Err(Failure::Unauthorized { .. }), Some(token)) => {
                self.reach.refused(&connection, token).await.map_err(unreached)?;
                let (_, reached) = self.way_of(id).await?;
                Box::pin(self.pool.listen(&reached.endpoint, wanted)).await
            }
            (opened, _) => opened,
        }
    }

    /// The way to the server of a connection as it is now: its credentials may be others by now, or it may be switched off.
    async fn way_of(&self, id: &ConnectionId) -> Result<(Connection, Reached), Failure> {
        let found = self.health.find(id).await.inspect_err(|error| {
            tracing::warn!(cause = ?error, "a connection to listen to could not be read");
        });
        let connection = found.ok().flatten().filter(|connection| connection.status.is_in_use());
        let connection = connection.ok_or(Failure::Ended)?;
        let reached = self.way(&connection, who_lists(&connection)).await.map_err(unreached)?;
        Ok((connection, reached))
    }
}

/// A stream, and the resources that it was asked to tell of.
struct Tuned {
    listening: Listening,
    uris: Vec<String>,
}

fn unreached(why: Unreached) -> Failure {
    let cause = match why {
        Unreached::NeedsOwner(_, words) | Unreached::Later(words) => words,
        Unreached::Inside(cause) => {
            tracing::warn!(?cause, "a connection cannot be listened to");
            "something failed inside".to_owned()
        }
    };
    Failure::Unreachable { cause }
}

async fn listen(upstreams: Upstreams, id: ConnectionId, mut wishes: Reader) {
    // A connection that is gone does not come back; of one that cannot be looked up the same cannot be said.
    while !matches!(upstreams.health.find(&id).await, Ok(None)) {
        let pause = upstreams.follow(&id, &mut wishes).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = wishes.changed() => {}
        }
    }
}
