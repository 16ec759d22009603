//! The feed of changes: polls the `change` table and tells this process's caches, so that a revocation acts at once on
//! its own node and within a second on every other, the command line included.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use portcullis_oauth::{Clock, Seconds, Timestamp};

use crate::{Change, ChangeKind, Database, DatabaseError, on};

/// How often the table is read.
const INTERVAL: Duration = Duration::from_millis(250);
/// Without a successful reading for so long, caches stop trusting themselves.
const TRUSTED_MILLIS: i64 = 1_000;
/// How far back each reading looks: a transaction may commit after a later one, and clocks differ between nodes.
const OVERLAP: Seconds = Seconds(30);
/// How long a row is kept.
const KEPT: Seconds = Seconds(3_600);

/// Who must forget.
pub trait ChangeListener: Send + Sync {
    /// Forget whatever depends on this fact.
    fn changed(&self, change: &Change);

    /// Forget everything: the feed was silent for so long that it may have missed changes.
    fn missed(&self);
}

/// How much a cache had been told when it began to look something up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

/// The feed; cheap to clone, one a process.
#[derive(Clone)]
pub struct ChangeFeed(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    started: Instant,
    listeners: RwLock<Vec<Arc<dyn ChangeListener>>>,
    told: AtomicU64,
    read_at_millis: AtomicI64,
    /// What the clock said then, in microseconds.
    read_at_micros: AtomicI64,
    seen: Mutex<HashMap<String, Timestamp>>,
}

impl std::fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChangeFeed")
    }
}

impl ChangeFeed {
    /// A feed that has not yet read anything: until it is [`run`](Self::run) or [`read`](Self::read), caches that ask
    /// it do not trust themselves.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            database,
            clock,
            started: Instant::now(),
            listeners: RwLock::default(),
            told: AtomicU64::new(0),
            read_at_millis: AtomicI64::new(i64::MIN / 2),
            read_at_micros: AtomicI64::new(i64::MAX),
            seen: Mutex::default(),
        }))
    }

    /// Tells `listener` of every change from now on.
    pub fn subscribe(&self, listener: Arc<dyn ChangeListener>) {
        self.0.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// What a cache notes before it looks up a fact. If [`is_current`](Self::is_current) no longer holds for it once the
    /// fact is in the cache, the fact may be stale and must leave it again.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.0.told.load(Ordering::SeqCst))
    }

    /// Whether nothing changed since `stamp`.
    #[must_use]
    pub fn is_current(&self, stamp: Stamp) -> bool {
        self.stamp() == stamp
    }

    /// Whether the table was read within the last second. When it was not, ask the database itself.
    #[must_use]
    pub fn is_timely(&self) -> bool {
        self.0.millis() - self.0.read_at_millis.load(Ordering::SeqCst) <= TRUSTED_MILLIS
    }

    /// Tells the caches of this process at once. Call it after the transaction that recorded the change has committed.
    pub fn publish(&self, change: &Change) {
        self.0.told.fetch_add(1, Ordering::SeqCst);
        for listener in self.0.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener.changed(change);
        }
    }

    /// Reads the table once and tells the caches of what is new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self) -> Result<(), DatabaseError> {
        let began = self.0.millis();
        self.forget_after_silence(began);
        // Back from the last reading where the clock was set forward since: what happened in between is not passed over.
        let now = self.0.clock.now().micros();
        let since = now.min(self.0.read_at_micros.load(Ordering::SeqCst));
        let since = Timestamp::from_micros(since).minus(OVERLAP);
        let rows: Vec<(String, String, String, Timestamp)> = on!(self.0.database.read(), |pool| {
            sqlx::query_as("SELECT id, kind, subject, at FROM change WHERE at >= $1")
                .bind(since)
                .fetch_all(pool)
                .await
        })?;
        for change in self.0.unseen(rows, since) {
            self.publish(&change);
        }
        self.0.read_at_millis.store(began, Ordering::SeqCst);
        self.0.read_at_micros.store(now, Ordering::SeqCst);
        Ok(())
    }

    /// What happened while nobody read for longer than a reading looks back is not learned any more.
    fn forget_after_silence(&self, now_millis: i64) {
        let silent = now_millis.saturating_sub(self.0.read_at_millis.load(Ordering::SeqCst));
        if silent > OVERLAP.0 * 1_000 / 2 {
            self.0.told.fetch_add(1, Ordering::SeqCst);
            for listener in self.0.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
                listener.missed();
            }
        }
    }

    /// Reads the table until the process ends; now and then deletes rows that nobody needs any more.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round: u32 = 0;
        loop {
            ticks.tick().await;
            if let Err(error) = self.read().await {
                tracing::warn!(cause = ?error, "the change table cannot be read; caches are bypassed until it can");
            }
            if round.is_multiple_of(1_200)
                && let Err(error) = self.sweep().await
            {
                tracing::warn!(cause = ?error, "the change table cannot be swept");
            }
            round = round.wrapping_add(1);
        }
    }

    async fn sweep(&self) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM change WHERE id IN (SELECT id FROM change WHERE at < $1 LIMIT 500)";
        self.0.database.sweep(sql, self.0.clock.now().minus(KEPT)).await
    }
}

impl Inner {
    fn millis(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The changes among `rows` that no earlier reading told of. Kinds that a newer release wrote are passed over.
    fn unseen(&self, rows: Vec<(String, String, String, Timestamp)>, since: Timestamp) -> Vec<Change> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, at| *at >= since);
        rows.into_iter()
            .filter(|(id, _, _, at)| seen.insert(id.clone(), *at).is_none())
            .filter_map(|(_, kind, subject, _)| ChangeKind::parse(&kind).map(|kind| Change { kind, subject }))
            .collect()
    }
}
