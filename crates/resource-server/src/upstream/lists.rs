//! What upstreams offer, remembered: one listing a connection and kind, private to the connection, bounded in memory, and
//! forgotten when the connection changes, when the upstream says that its list did, and after a while. Of callers who ask
//! at once for the same one asks the upstream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener};
use portcullis_oauth::{Alias, ConnectionId, Seconds, Timestamp};
use tokio::time::Instant;

use super::Missing;
use crate::connections::Connection;
use crate::offer::{Kind, Listing};

/// Listings are asked for anew after so long, for upstreams that do not tell of changes.
const FRESH: Seconds = Seconds(300);
/// Memory for all of them, in bytes.
const ROOM: u64 = 128 * 1024 * 1024;

/// The listings of every connection that was asked lately. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lists {
    known: Cache<ConnectionId, Arc<Shelf>>,
    changes: ChangeFeed,
}

/// The listings of one connection.
struct Shelf {
    /// What they were read for: another alias gives other names, another credential perhaps another list.
    of: (Alias, i64),
    slots: [Slot; Kind::ALL.len()],
}

/// One listing: what is known, and the one flight that asks for it.
#[derive(Default)]
struct Slot {
    last: Mutex<Option<Last>>,
    flight: tokio::sync::Mutex<()>,
    /// Since when the flight is under way.
    since: Mutex<Option<Instant>>,
}

/// How the last flight ended.
#[derive(Clone)]
struct Last {
    at: Timestamp,
    ended: Instant,
    outcome: Outcome,
}

type Outcome = Result<Arc<Listing>, Missing>;

impl Slot {
    fn last(&self) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<Listing>> {
        let last = self.last()?;
        last.outcome.ok().filter(|_| now < last.at.plus(FRESH))
    }

    fn weight(&self) -> usize {
        self.last().map_or(100, |last| last.outcome.map_or(100, |listing| listing.weight()))
    }

    fn under_way(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    /// Nothing known yet; forgets what `changes` tells.
    pub(super) fn new(changes: ChangeFeed) -> Self {
        let weigh = |_: &ConnectionId, shelf: &Arc<Shelf>| {
            u32::try_from(shelf.slots.iter().map(Slot::weight).sum::<usize>()).unwrap_or(u32::MAX)
        };
        let known = Cache::builder().max_capacity(ROOM).weigher(weigh).build();
        changes.subscribe(Arc::new(Forget(known.clone())));
        Self { known, changes }
    }

    /// What is known and fresh.
    pub(super) fn known(&self, connection: &Connection, kind: Kind, now: Timestamp) -> Option<Arc<Listing>> {
        self.shelf(connection).slots[kind as usize].fresh(now)
    }

    /// What is known and fresh, else what `ask` brings.
    pub(super) async fn get(
        &self,
        connection: &Connection,
        kind: Kind,
        now: Timestamp,
        ask: impl Future<Output = Result<Listing, Missing>>,
    ) -> Outcome {
        let shelf = self.shelf(connection);
        let slot = &shelf.slots[kind as usize];
        let arrived = Instant::now();
        let _flight = slot.flight.lock().await;
        // What came while this one waited is its answer too, whether it was found or not.
        if let Some(last) = slot.last().filter(|last| last.ended >= arrived) {
            return last.outcome;
        }
        *slot.under_way() = Some(Instant::now());
        let outcome = ask.await.map(Arc::new);
        *slot.under_way() = None;
        let last = Last { at: now, ended: Instant::now(), outcome: outcome.clone() };
        *slot.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        // Weighed anew, unless it was forgotten meanwhile: then this answer serves only who asked for it.
        if self.known.get(&connection.id).is_some_and(|kept| Arc::ptr_eq(&kept, &shelf)) {
            self.known.insert(connection.id.clone(), Arc::clone(&shelf));
        }
        outcome
    }

    /// Whether a listing was read before `then`.
    pub(super) fn read_before(&self, connection: &Connection, kind: Kind, then: Timestamp) -> bool {
        self.shelf(connection).slots[kind as usize].last().is_some_and(|last| last.at < then)
    }

    /// For how long an upstream was asked already that has not answered yet.
    pub(super) fn asked_for(&self, connection: &Connection, kind: Kind) -> Duration {
        let shelf = self.shelf(connection);
        let since = *shelf.slots[kind as usize].under_way();
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Forgets the listings of a connection.
    pub(super) fn forget(&self, connection: &ConnectionId) {
        self.known.invalidate(connection);
    }

    fn shelf(&self, connection: &Connection) -> Arc<Shelf> {
        if !self.changes.is_timely() {
            // What was missed meanwhile may concern any of them.
            self.known.invalidate_all();
        }
        let of = (connection.alias.clone(), connection.credential_version);
        let make = || Arc::new(Shelf { of: of.clone(), slots: Default::default() });
        let shelf = self.known.get_with_by_ref(&connection.id, make);
        if shelf.of == of {
            return shelf;
        }
        let shelf = make();
        self.known.insert(connection.id.clone(), Arc::clone(&shelf));
        shelf
    }
}

/// Forgets the listings of a connection that changed.
struct Forget(Cache<ConnectionId, Arc<Shelf>>);

impl ChangeListener for Forget {
    fn changed(&self, change: &Change) {
        if change.kind == ChangeKind::Connection {
            self.0.invalidate(&ConnectionId::from(change.subject.clone()));
        }
    }

    fn missed(&self) {
        self.0.invalidate_all();
    }
}
