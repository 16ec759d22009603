//! What happens to upstreams beside requests: what they say by themselves, and what becomes of what is open to them when a
//! connection or its owner changes (T20).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_oauth::{ConnectionId, PrincipalId};
use portcullis_upstream::Heard;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::Upstreams;
use crate::bulletin::{Bulletin, News, Raw};
use crate::connections::{Connection, ConnectionStatus};
use crate::offer::Kind;

/// Connections that were reached, whose they are, and with which version of their credentials. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<HashMap<ConnectionId, (PrincipalId, i64)>>>);

impl Opened {
    /// Notes that a connection is about to be reached.
    pub(super) fn note(&self, connection: &Connection) {
        let now = (connection.principal_id.clone(), connection.credential_version);
        self.known().insert(connection.id.clone(), now);
    }

    fn of(&self, connection: &ConnectionId) -> Option<(PrincipalId, i64)> {
        self.known().get(connection).cloned()
    }

    fn of_owner(&self, owner: &PrincipalId) -> Vec<ConnectionId> {
        let known = self.known();
        known.iter().filter(|(_, (of, _))| of == owner).map(|(connection, _)| connection.clone()).collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ConnectionId, (PrincipalId, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstreams {
    /// Listens to upstreams and to changes until it is dropped, and tells open streams.
    pub(crate) async fn hear(&self, bulletin: &Bulletin) {
        let (mut heard, mut changes) = (self.pool.heard(), bulletin.raw());
        loop {
            tokio::select! {
                said = heard.recv() => match said {
                    Ok(said) => self.said(&said, bulletin),
                    // Whatever it was, every list may be another.
                    Err(RecvError::Lagged(_)) => self.lists.forget_all(),
                    Err(RecvError::Closed) => return,
                },
                change = changes.recv() => match change {
                    Ok(Raw::Connection(connection)) => self.changed(&connection, bulletin).await,
                    Ok(Raw::User(owner)) => self.end_all_of(&owner).await,
                    Err(RecvError::Lagged(_)) => self.pool.end_all().await,
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// An upstream said that something changed.
    fn said(&self, said: &Heard, bulletin: &Bulletin) {
        let Some((connection, _)) = said.key.split_once('/') else { return };
        let connection = ConnectionId::from(connection.to_owned());
        let owner = self.opened.of(&connection).map(|(owner, _)| owner);
        let method = said.notification.method.as_str();
        if let Some(kind) = list(method) {
            self.lists.forget(&connection);
            bulletin.tell(News::Lists(connection, owner, Some(kind)));
        } else if method == "notifications/resources/updated" {
            let params = said.notification.params.as_ref();
            if let Some(Updated { uri }) = params.and_then(|params| serde_json::from_str(params.get()).ok()) {
                bulletin.tell(News::Resource(connection, uri));
            }
        }
    }

    /// A connection changed: what is open with credentials that it has no more ends, and so does everything of one that
    /// is switched off or gone.
    async fn changed(&self, id: &ConnectionId, bulletin: &Bulletin) {
        let connection = match self.health.find(id).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(cause = ?error, "a connection that changed could not be read; what is open there ends");
                None
            }
        };
        if let Some((_, version)) = self.opened.of(id) {
            let live = connection.as_ref().filter(|now| now.status != ConnectionStatus::Disabled);
            if live.is_none_or(|now| now.credential_version != version) {
                self.opened.known().remove(id);
                self.end(id).await;
            }
        }
        bulletin.tell(News::Lists(id.clone(), connection.map(|connection| connection.principal_id), None));
    }

    /// Somebody's rights changed, perhaps to none: what is open on their behalf ends, and opens again if it may.
    async fn end_all_of(&self, owner: &PrincipalId) {
        for connection in self.opened.of_owner(owner) {
            self.opened.known().remove(&connection);
            self.end(&connection).await;
        }
    }
}

#[derive(Deserialize)]
struct Updated {
    uri: String,
}

/// The list that a notification speaks of.
fn list(method: &str) -> Option<Kind> {
    match method {
        "notifications/tools/list_changed" => Some(Kind::Tools),
        "notifications/prompts/list_changed" => Some(Kind::Prompts),
        "notifications/resources/list_changed" => Some(Kind::Resources),
        _ => None,
    }
}
