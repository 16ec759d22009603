//! A fact of the database that is asked for again and again, kept in memory until the `change` table says that it is
//! stale.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{Change, ChangeFeed, ChangeKind, ChangeListener};

/// One remembered value, and what makes it stale.
pub struct Remembered<T: ?Sized> {
    changes: ChangeFeed,
    cell: Arc<Cell<T>>,
}

struct Cell<T: ?Sized> {
    kind: ChangeKind,
    value: RwLock<Option<Arc<T>>>,
}

impl<T: ?Sized> std::fmt::Debug for Remembered<T> {
    /// Never the value: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remembered({:?})", self.cell.kind)
    }
}

impl<T: ?Sized + Send + Sync + 'static> Remembered<T> {
    /// Nothing yet; forgets at every change of this kind.
    #[must_use]
    pub fn new(kind: ChangeKind, changes: ChangeFeed) -> Self {
        let cell = Arc::new(Cell { kind, value: RwLock::new(None) });
        changes.subscribe(cell.clone());
        Self { changes, cell }
    }

    /// The value: what is remembered, else what `read` gives. While the feed is late, `read` alone is believed.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn get<E>(&self, read: impl Future<Output = Result<Arc<T>, E>>) -> Result<Arc<T>, E> {
        if !self.changes.is_timely() {
            return read.await;
        }
        if let Some(value) = self.cell.get() {
            return Ok(value);
        }
        let stamp = self.changes.stamp();
        let value = read.await?;
        self.cell.set(Some(value.clone()));
        // A change that was told between the look-up and the insertion found nothing to forget.
        if !self.changes.is_current(stamp) {
            self.cell.set(None);
        }
        Ok(value)
    }

    /// Tells this process at once that it has itself changed the fact.
    pub fn changed(&self, subject: &str) {
        self.changes.publish(&Change::new(self.cell.kind, subject));
    }
}

impl<T: ?Sized> Cell<T> {
    fn get(&self) -> Option<Arc<T>> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, value: Option<Arc<T>>) {
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl<T: ?Sized + Send + Sync> ChangeListener for Cell<T> {
    fn changed(&self, change: &Change) {
        if change.kind == self.kind {
            self.set(None);
        }
    }

    fn missed(&self) {
        self.set(None);
    }
}
