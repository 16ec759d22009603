//! The way of a leg into its table: queued, and written with others that wait at the same moment. No answer waits for it.
//!
//! A stranger cannot fill the disk: what one source, one attempt and all strangers together may have written is bounded
//! here, and what is kept of it in `store/attempts.rs`. What goes beyond stands in the log alone.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use portcullis_database::Database;
use portcullis_limits::{Limiter, Quota, Verdict};
use portcullis_oauth::{ClientId, PrincipalId, Seconds, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::identifier::AttemptId;
use super::sheet::Note;
use super::words::{AttemptOutcome, AttemptStage, Reason};
use crate::store::insert_legs;

/// So many legs may wait to be written. While the database is away the rest is in the log.
const QUEUE: usize = 1_024;
/// From here on only refusals are let in: they are what somebody will ask for.
const CROWDED: usize = QUEUE / 4;
/// At most so many go into one statement.
const BATCH: usize = 16;
/// One attempt is a handful of legs, also where a client tries a dead token all day.
const OF_ATTEMPT: Quota = Quota::per(20, Seconds::minutes(60));
/// One network address that nobody answers for.
const OF_SOURCE: Quota = Quota::per_minute(60);
/// All of them together.
const OF_STRANGERS: Quota = Quota::per_minute(600);
/// One person or client that is known.
const OF_KNOWN: Quota = Quota::per_minute(240);

/// One request of an attempt, as it is kept.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) attempt: AttemptId,
    pub(crate) at: Timestamp,
    pub(crate) stage: AttemptStage,
    pub(crate) outcome: AttemptOutcome,
    pub(crate) reason: Option<Reason>,
    pub(crate) client: Option<ClientId>,
    pub(crate) person: Option<PrincipalId>,
    /// The network address of somebody who is not known; it is counted and not kept.
    pub(crate) source: Option<String>,
    pub(crate) trace_id: Option<String>,
    /// Whether it came after another leg of the same attempt.
    pub(crate) joined: bool,
    pub(crate) notes: Vec<Note>,
}

/// A leg with its place among those of this process.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) leg: Leg,
    /// Legs of one microsecond stay in their order.
    pub(crate) number: i64,
}

enum Entry {
    Leg(Box<Numbered>),
    /// Answered once everything before it is written.
    Mark(oneshot::Sender<()>),
}

/// The journal of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    /// Opened with the first leg, when there is a runtime for its writer.
    queue: OnceLock<mpsc::Sender<Entry>>,
    number: AtomicI64,
    of_attempt: Limiter,
    of_source: Limiter,
    of_strangers: Limiter,
    of_known: Limiter,
}

impl Journal {
    pub(crate) fn new(database: Database) -> Self {
        Self(Arc::new(Inner {
            database,
            queue: OnceLock::new(),
            number: AtomicI64::new(0),
            of_attempt: Limiter::new(OF_ATTEMPT, 10_000),
            of_source: Limiter::new(OF_SOURCE, 10_000),
            of_strangers: Limiter::new(OF_STRANGERS, 64),
            of_known: Limiter::new(OF_KNOWN, 10_000),
        }))
    }

    /// Takes a leg in, if there is room for it.
    pub(crate) fn keep(&self, leg: Leg) {
        if !self.0.admits(&leg) {
            tracing::debug!(attempt = %leg.attempt, "a leg of an attempt was not kept: there are too many");
            return;
        }
        let queue = self.0.queue();
        if leg.outcome != AttemptOutcome::Refused && queue.capacity() < QUEUE - CROWDED {
            return;
        }
        let number = self.0.number.fetch_add(1, Ordering::Relaxed);
        if queue.try_send(Entry::Leg(Box::new(Numbered { leg, number }))).is_err() {
            tracing::warn!("a leg of an attempt was not kept: the database takes none");
        }
    }

    /// Waits until everything that was taken in before is written, or given up.
    pub(crate) async fn settle(&self) {
        let Some(queue) = self.0.queue.get() else { return };
        let (mark, passed) = oneshot::channel();
        if queue.send(Entry::Mark(mark)).await.is_ok() {
            // The writer ends with its runtime alone, and then there is nothing to wait for.
            let _ = passed.await;
        }
    }
}

impl Inner {
    fn admits(&self, leg: &Leg) -> bool {
        let allowed = |limiter: &Limiter, key: &str| limiter.check(key, leg.at) == Verdict::Allowed;
        let source = match (&leg.source, &leg.person, &leg.client) {
            (Some(source), ..) => allowed(&self.of_source, source) && allowed(&self.of_strangers, "all"),
            (None, Some(person), _) => allowed(&self.of_known, person.as_str()),
            (None, None, Some(client)) => allowed(&self.of_known, client.as_str()),
            (None, None, None) => true,
        };
        // What succeeds happens once to an attempt, but for a link that is opened again and again.
        let repeats =
            leg.joined && (leg.outcome == AttemptOutcome::Refused || leg.stage == AttemptStage::Authorize);
        source && (!repeats || allowed(&self.of_attempt, leg.attempt.as_str()))
    }

    fn queue(&self) -> &mpsc::Sender<Entry> {
        self.queue.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            tokio::spawn(write(self.database.clone(), receiver));
            sender
        })
    }
}

/// Writes what waits, again and again, until nobody can send any more.
async fn write(database: Database, mut receiver: mpsc::Receiver<Entry>) {
    let mut taken = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut taken, BATCH).await > 0 {
        let mut legs = Vec::with_capacity(taken.len());
        let mut marks = Vec::new();
        for entry in taken.drain(..) {
            match entry {
                Entry::Leg(numbered) => legs.push(*numbered),
                Entry::Mark(mark) => marks.push(mark),
            }
        }
        if let Err(error) = insert_legs(&database, &legs).await {
            tracing::error!(cause = ?error, "legs of attempts could not be written");
        }
        for mark in marks {
            // Whoever waited may have gone.
            let _ = mark.send(());
        }
    }
}
