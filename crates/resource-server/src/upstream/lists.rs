//! What upstreams offer, remembered: one listing a connection and kind, private to the connection, bounded in memory, and
//! forgotten when the connection changes, when the upstream says that its list did, and after a while. Of callers who ask
//! at once for the same one asks the upstream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moka::sync::Cache;
use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener};
use portcullis_oauth::{Alias, ConnectionId, Seconds, Timestamp};

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
    last: Mutex<Option<(Timestamp, Outcome)>>,
    flight: tokio::sync::Mutex<()>,
    landed: AtomicU64,
}

type Outcome = Result<Arc<Listing>, Missing>;

impl Slot {
    fn last(&self) -> Option<(Timestamp, Outcome)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<Listing>> {
        match self.last()? {
            (at, Ok(listing)) if now < at.plus(FRESH) => Some(listing),
            _ => None,
        }
    }

    fn weight(&self) -> usize {
        self.last().map_or(100, |(_, outcome)| outcome.map_or(100, |listing| listing.weight()))
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
        let landed = slot.landed.load(Ordering::Acquire);
        let _flight = slot.flight.lock().await;
        if slot.landed.load(Ordering::Acquire) != landed
            && let Some((_, outcome)) = slot.last()
        {
            // Asked for while this one waited, whether it was found or not.
            return outcome;
        }
        let outcome = ask.await.map(Arc::new);
        *slot.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, outcome.clone()));
        slot.landed.fetch_add(1, Ordering::Release);
        // Weighed anew, unless it was forgotten meanwhile: then this answer serves only who asked for it.
        if self.known.get(&connection.id).is_some_and(|kept| Arc::ptr_eq(&kept, &shelf)) {
            self.known.insert(connection.id.clone(), Arc::clone(&shelf));
        }
        outcome
    }

    /// Whether a listing was read before `then`.
    pub(super) fn read_before(&self, connection: &Connection, kind: Kind, then: Timestamp) -> bool {
        self.shelf(connection).slots[kind as usize].last().is_some_and(|(at, _)| at < then)
    }

    /// Forgets the listings of a connection.
    pub(super) fn forget(&self, connection: &ConnectionId) {
        self.known.invalidate(connection);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        self.known.invalidate_all();
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
