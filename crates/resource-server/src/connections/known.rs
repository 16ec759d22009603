//! Connections as calls need them: by owner and name, remembered until something of them or of their servers changes. Owns no
//! row; where changes are heard of too late, nothing is believed.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener, DatabaseError};
use portcullis_oauth::{Alias, ConnectionId, PrincipalId};

use super::{Connection, Connections};

/// So many are remembered.
const CAPACITY: u64 = 10_000;
/// For so long: what is noted of a use or a test is no change, and is read anew now and then.
const LIFE: Duration = Duration::from_mins(1);

/// Who calls, and by which name.
type Key = (PrincipalId, Alias);

/// What is remembered. Cheap to clone.
#[derive(Clone)]
pub(super) struct Known {
    connections: Cache<Key, Arc<Connection>>,
    /// Under which key a connection is remembered.
    keys: Cache<ConnectionId, Key>,
}

impl Known {
    /// Nothing yet; forgets what `changes` tells.
    pub(super) fn new(changes: &ChangeFeed) -> Self {
        let connections = Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE).build();
        let known = Self { connections, keys: Cache::builder().max_capacity(CAPACITY).build() };
        changes.subscribe(Arc::new(known.clone()));
        known
    }

    /// It is read anew when it is asked for again.
    pub(super) fn forget(&self, id: &ConnectionId) {
        match self.keys.remove(id) {
            Some(key) => self.connections.invalidate(&key),
            // It is not known here, or it is and its key had to go first.
            None => self.connections.invalidate_all(),
        }
    }

    fn keep(&self, connection: &Connection) {
        let key = (connection.principal_id.clone(), connection.alias.clone());
        self.keys.insert(connection.id.clone(), key.clone());
        self.connections.insert(key, Arc::new(connection.clone()));
    }
}

impl ChangeListener for Known {
    fn changed(&self, change: &Change) {
        match change.kind {
            ChangeKind::Connection => self.forget(&ConnectionId::from(change.subject.clone())),
            // How a connection stands depends on its server.
            ChangeKind::Server => self.connections.invalidate_all(),
            _ => {}
        }
    }

    fn missed(&self) {
        self.connections.invalidate_all();
    }
}

impl Connections {
    /// As [`Self::find`], from memory where it is known: for calls, of which each asks.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn find_known(
        &self,
        principal: &PrincipalId,
        alias: &Alias,
    ) -> Result<Option<Arc<Connection>>, DatabaseError> {
        if !self.changes.is_timely() {
            self.known.missed();
        }
        let key = (principal.clone(), alias.clone());
        if let Some(connection) = self.known.connections.get(&key) {
            return Ok(Some(connection));
        }
        let stamp = self.changes.stamp();
        let Some(found) = self.find(principal, alias).await? else { return Ok(None) };
        self.known.keep(&found);
        if !self.changes.is_timely() || !self.changes.is_current(stamp) {
            self.known.connections.invalidate(&key);
        }
        Ok(Some(Arc::new(found)))
    }
}
