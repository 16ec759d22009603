//! Every resource that a token may be for: our own gateway's, which are implicit, and those that an admin registered,
//! kept in memory and forgotten through the `change` table. A stranger's URI costs no look-up in the database.

use std::sync::{Arc, PoisonError, RwLock};

use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener, DatabaseError};
use portcullis_oauth::{ClientId, Resource, ResourceRegistry, ResourceUri};

use crate::store::{RegisteredResource, Resources};

/// The registered resources as last read.
type Snapshot = Arc<[RegisteredResource]>;

/// The resources of this deployment.
pub(crate) struct KnownResources {
    own: ResourceRegistry,
    store: Resources,
    changes: ChangeFeed,
    snapshot: Arc<Remembered>,
}

#[derive(Default)]
struct Remembered(RwLock<Option<Snapshot>>);

impl KnownResources {
    pub(crate) fn new(own: ResourceRegistry, store: Resources, changes: ChangeFeed) -> Self {
        let snapshot = Arc::new(Remembered::default());
        changes.subscribe(snapshot.clone());
        Self { own, store, changes, snapshot }
    }

    /// Where the registered ones are kept.
    pub(crate) fn store(&self) -> &Resources {
        &self.store
    }

    /// The resource with this identifier. Our own come first: nobody can register over them.
    pub(crate) async fn find(&self, uri: &ResourceUri) -> Result<Option<Resource>, DatabaseError> {
        if let Some(own) = self.own.find(uri) {
            return Ok(Some(own));
        }
        Ok(self.registered(uri).await?.map(|resource| resource.resource()))
    }

    /// The registered resource with this identifier; `None` for our own.
    pub(crate) async fn registered(
        &self,
        uri: &ResourceUri,
    ) -> Result<Option<RegisteredResource>, DatabaseError> {
        if self.own.find(uri).is_some() {
            return Ok(None);
        }
        Ok(self.all().await?.iter().find(|resource| resource.what.uri == *uri).cloned())
    }

    /// The resource whose server is this client; never one of our own, whatever was registered over it.
    pub(crate) async fn of_client(
        &self,
        client: &ClientId,
    ) -> Result<Option<RegisteredResource>, DatabaseError> {
        let found = self.all().await?.iter().find(|resource| resource.client_id == *client).cloned();
        Ok(found.filter(|resource| self.own.find(&resource.what.uri).is_none()))
    }

    async fn all(&self) -> Result<Snapshot, DatabaseError> {
        // While the feed is late, what is remembered may be stale (a removal must act).
        if !self.changes.is_timely() {
            return Ok(self.store.list().await?.into());
        }
        if let Some(snapshot) = self.snapshot.read() {
            return Ok(snapshot);
        }
        let stamp = self.changes.stamp();
        let snapshot: Snapshot = self.store.list().await?.into();
        self.snapshot.set(Some(snapshot.clone()));
        // A change that was told between the look-up and the insertion found nothing to forget.
        if !self.changes.is_current(stamp) {
            self.snapshot.set(None);
        }
        Ok(snapshot)
    }
}

impl Remembered {
    fn read(&self) -> Option<Snapshot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, snapshot: Option<Snapshot>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

impl ChangeListener for Remembered {
    fn changed(&self, change: &Change) {
        if change.kind == ChangeKind::Resource {
            self.set(None);
        }
    }

    fn missed(&self) {
        self.set(None);
    }
}
