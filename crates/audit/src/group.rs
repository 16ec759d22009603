//! Events that are committed together: what arrives while a commit is under way goes into the next one, in one statement.
//! Nobody is told before the commit that holds their event, and each gets its place in the node's chain with it. Knows rows;
//! whether an event is kept is the trail's to say.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use portcullis_database::{DatabaseError, Insert, Transaction, on};
use tokio::sync::oneshot;

use crate::chain::{Chain, Head, tell_of_fork};
use crate::record::{COLUMNS, Draft};

/// The sizes of a statement, largest first: every one of the small, so that what waits is one commit and not two; few of the
/// large, since every connection prepares each and keeps it.
const SIZES: [usize; 18] = [32, 24, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1];

/// The statement for each of the [`SIZES`].
static STATEMENTS: LazyLock<[Insert; SIZES.len()]> =
    LazyLock::new(|| SIZES.map(|rows| Insert::rows("audit_event", &COLUMNS.join(", "), rows)));

/// So often a place is tried that somebody else may have taken.
const TRIES: usize = 10;

/// Binds an event's row, column by column as [`COLUMNS`] names them, but its place.
macro_rules! bind {
    ($query:expr, $draft:expr) => {{
        let (event, around) = (&$draft.event, &$draft.event.circumstances);
        $query
            .bind(&$draft.id)
            .bind(event.at)
            .bind(event.action.as_str())
            .bind(event.outcome.as_str())
            .bind(event.reason)
            .bind(&event.principal)
            .bind(&event.client)
            .bind(&event.connection)
            .bind(&event.tool)
            .bind(&event.trace_id)
            .bind(&$draft.detail)
            .bind(&around.email)
            .bind(&around.server_kind)
            .bind(&around.session)
            .bind(&around.client_address)
            .bind(&around.user_agent)
            .bind(around.result_kind)
            .bind(&around.policy_version)
            .bind(around.duration_us)
            .bind(&around.request)
            .bind(&$draft.payload_hash)
            .bind(&$draft.salt)
    }};
}

/// Writes an event inside a transaction. It gets its place when the transaction has committed: see `seal`.
pub(crate) async fn insert_in(transaction: &mut Transaction, draft: &Draft) -> Result<(), DatabaseError> {
    let (node, place) = (transaction.node(), transaction.on());
    let statement = one().on(&place);
    on!(place, |connection| bind!(sqlx::query(statement), draft)
        .bind(&*node)
        .bind(None::<i64>)
        .bind(None::<&str>)
        .execute(connection)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes a batch at the end of the chain.
async fn append(chain: &Chain, statement: &'static Insert, batch: &[Waiting]) -> Result<(), DatabaseError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let end = chain.end().await?;
        let mut places: Vec<Head> = Vec::with_capacity(batch.len());
        for Waiting { draft, .. } in batch {
            let previous = places.last().unwrap_or(end.head());
            places.push(previous.followed_by(chain.node(), &draft.happening()));
        }
        match insert_all(chain, statement, batch.iter().zip(&places)).await {
            Ok(()) => {
                if let Some(last) = places.pop() {
                    end.moved(last);
                }
                return Ok(());
            }
            Err(error) if error.is_unique_violation() && tries < TRIES => tell_of_fork(chain.node()),
            Err(error) => return Err(error),
        }
    }
}

async fn insert_all(
    chain: &Chain,
    statement: &'static Insert,
    rows: impl Iterator<Item = (&Waiting, &Head)>,
) -> Result<(), DatabaseError> {
    let place = chain.database.write();
    let statement = statement.on(&place);
    on!(place, |pool| {
        let mut query = sqlx::query(statement);
        for (Waiting { draft, .. }, place) in rows {
            query = bind!(query, draft).bind(chain.node()).bind(place.sequence).bind(&place.hash);
        }
        query.execute(pool).await.map(drop)
    })?;
    Ok(())
}

/// The statement of a single row.
fn one() -> &'static Insert {
    &STATEMENTS[SIZES.len() - 1]
}

/// The events that wait, and the one writer of them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Group(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Arc<Chain>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether somebody writes already, and will take what waits.
    writing: bool,
}

#[derive(Debug)]
struct Waiting {
    draft: Draft,
    told: oneshot::Sender<Result<(), DatabaseError>>,
}

impl Group {
    pub(crate) fn over(chain: Arc<Chain>) -> Self {
        Self(Arc::new(Inner { chain, queue: Mutex::default() }))
    }

    /// Commits an event, with others that wait at the same moment. Once begun it is written even if the caller goes away.
    pub(crate) async fn commit(&self, draft: Draft) -> Result<(), DatabaseError> {
        let (told, committed) = oneshot::channel();
        let idle = {
            let mut queue = self.0.queue();
            queue.waiting.push(Waiting { draft, told });
            !std::mem::replace(&mut queue.writing, true)
        };
        if idle {
            // Not in the caller's own future: that may be dropped half-way, and others wait for what it began.
            tokio::spawn(Writer { inner: Arc::clone(&self.0), over: false }.run());
        }
        committed.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes into the next commit; `None` when nothing waits, and then nobody writes any more.
    fn next(&self) -> Option<(&'static Insert, Vec<Waiting>)> {
        let mut queue = self.queue();
        let fits = SIZES.iter().zip(STATEMENTS.iter()).find(|(size, _)| **size <= queue.waiting.len());
        let Some((size, statement)) = fits else {
            queue.writing = false;
            return None;
        };
        Some((statement, queue.waiting.drain(..*size).collect()))
    }
}

/// The task that writes.
struct Writer {
    inner: Arc<Inner>,
    /// Over in order: by now another may write.
    over: bool,
}

impl Writer {
    async fn run(mut self) {
        loop {
            // Whoever is ready to bring an event goes first: a commit costs the same for one as for many.
            tokio::task::yield_now().await;
            let Some((statement, batch)) = self.inner.next() else { break };
            self.write(statement, batch).await;
        }
        self.over = true;
    }

    async fn write(&self, statement: &'static Insert, batch: Vec<Waiting>) {
        let written = append(&self.inner.chain, statement, &batch).await;
        if let (Err(_), true) = (&written, batch.len() > 1) {
            // A row that the engine refuses must not take its neighbours with it.
            for waiting in batch {
                let alone = append(&self.inner.chain, one(), std::slice::from_ref(&waiting)).await;
                waiting.tell(alone);
            }
            return;
        }
        let mut written = Some(written);
        for waiting in batch {
            waiting.tell(written.take().unwrap_or(Ok(())));
        }
    }
}

impl Drop for Writer {
    /// Cut off, by a panic or with its runtime: nobody waits in vain for a writer that has gone.
    fn drop(&mut self) {
        if !self.over {
            let mut queue = self.inner.queue();
            queue.waiting.clear();
            queue.writing = false;
        }
    }
}

impl Waiting {
    /// Tells the caller; one that has gone needs no answer.
    fn tell(self, result: Result<(), DatabaseError>) {
        let _ = self.told.send(result);
    }
}

#[cfg(test)]
mod tests;
