//! How a connection stands, learned from real traffic: a refused credential is told to its owner at once, a server that
//! fails again and again makes its connection degraded, and an answer makes it active again. Each change is audited by the
//! store that keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use moka::sync::Cache;
use portcullis_database::DatabaseError;
use portcullis_oauth::ConnectionId;
use portcullis_upstream::Failure;

use crate::connections::{Connection, ConnectionStatus, Connections, Standing};
use crate::relay::Secrets;

/// So many failures in a row are more than a bad moment.
const FAILURES: u32 = 3;
/// So many connections are watched.
const CAPACITY: u64 = 20_000;

/// Watches. Cheap to clone.
#[derive(Clone)]
pub(super) struct Health {
    connections: Connections,
    failures: Cache<ConnectionId, Arc<AtomicU32>>,
}

impl Health {
    /// Keeps what it learns in `connections`.
    pub(super) fn new(connections: Connections) -> Self {
        Self { connections, failures: Cache::new(CAPACITY) }
    }

    /// The server answered with the credentials of this connection.
    pub(super) async fn well(&self, connection: &Connection) {
        if self.failures.contains_key(&connection.id) {
            self.failures.invalidate(&connection.id);
        }
        if connection.status == ConnectionStatus::Active {
            self.used(connection).await;
        } else {
            self.stands(connection, &Standing::active()).await;
        }
    }

    /// It did not. What is told of it, which may quote the server, holds none of `secrets`.
    pub(super) async fn failed(&self, connection: &Connection, failure: &Failure, secrets: &Secrets) {
        match failure {
            Failure::Unauthorized { .. } => {
                let words =
                    "The server no longer accepts what this connection signs in with. Enter it again.";
                self.stands(connection, &Standing::reauth_required(failure.as_str(), words)).await;
            }
            Failure::InsufficientScope { .. } => {
                let words =
                    "The server wants more permissions than this connection was given. Authorise it again.";
                self.stands(connection, &Standing::reauth_required(failure.as_str(), words)).await;
            }
            // Those say nothing of the server's health: it answered, or it was not asked.
            Failure::Rpc(_)
            | Failure::Forbidden
            | Failure::Overloaded { .. }
            | Failure::Busy
            | Failure::NotOffered
            | Failure::Ended => {}
            failure => {
                let count = self.failures.get_with_by_ref(&connection.id, Arc::default);
                if count.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
                    let words = secrets.removed_from_text(format!("{failure}."));
                    self.stands(connection, &Standing::degraded(failure.as_str(), words)).await;
                }
            }
        }
    }

    /// What its owner has to do was found out before the server was asked.
    pub(super) async fn needs_owner(&self, connection: &Connection, code: &'static str, words: &str) {
        self.stands(connection, &Standing::reauth_required(code, words)).await;
    }

    /// The connection of this identifier, as it is now.
    pub(super) async fn find(&self, id: &ConnectionId) -> Result<Option<Connection>, DatabaseError> {
        self.connections.get(id).await
    }

    /// The connection as it is now, if it is on and has the credentials that it had.
    pub(super) async fn still(&self, before: &Connection) -> Result<Option<Connection>, DatabaseError> {
        Ok(self.find(&before.id).await?.filter(|now| goes_on(before, now)))
    }

    /// Whether that is so, from memory where it is known.
    pub(super) async fn is_still(&self, before: &Connection) -> Result<bool, DatabaseError> {
        let known = self.connections.find_known(&before.principal_id, &before.alias).await?;
        let is_known = known.is_some_and(|now| now.id == before.id && goes_on(before, &now));
        Ok(is_known || self.still(before).await?.is_some())
    }

    /// It was tried out just now, and its server spoke this revision.
    pub(super) async fn tested(&self, connection: &Connection, revision: Option<&str>) {
        if let Err(error) = self.connections.note_test(connection, revision).await {
            tracing::warn!(cause = ?error, "that a connection was tried out could not be noted");
        }
    }

    /// Notes how it stands.
    pub(super) async fn stands(&self, connection: &Connection, standing: &Standing) {
        if let Err(error) = self.connections.set_status(connection, standing).await {
            tracing::warn!(cause = ?error, "how a connection stands could not be noted");
        }
    }

    async fn used(&self, connection: &Connection) {
        if let Err(error) = self.connections.note_use(connection).await {
            tracing::warn!(cause = ?error, "that a connection was used could not be noted");
        }
    }
}

fn goes_on(before: &Connection, now: &Connection) -> bool {
    now.status != ConnectionStatus::Disabled && now.credential_version == before.credential_version
}
