//! Connections: one principal's account at one upstream server, under the principal's own alias. Owns the table
//! `connection`. Who may reach one is decided by the grant and the policy, not here.

use std::sync::Arc;

use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, on};
use portcullis_oauth::{Alias, Clock, ConnectionId, PrincipalId, Timestamp};

/// Whether a connection can be used. `active` means that an authenticated list of its tools succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// Begun, not yet authorised.
    Draft,
    /// Being authorised.
    Connecting,
    /// Works.
    Active,
    /// The upstream no longer takes its credentials.
    ReauthRequired,
    /// The upstream does not answer as it should.
    Degraded,
    /// Held back until somebody looks at what changed.
    Quarantined,
    /// Switched off by its owner or an admin.
    Disabled,
}

impl ConnectionStatus {
    const ALL: [Self; 7] = [
        Self::Draft,
        Self::Connecting,
        Self::Active,
        Self::ReauthRequired,
        Self::Degraded,
        Self::Quarantined,
        Self::Disabled,
    ];

    /// The status as its column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::ReauthRequired => "reauth_required",
            Self::Degraded => "degraded",
            Self::Quarantined => "quarantined",
            Self::Disabled => "disabled",
        }
    }
}

impl TryFrom<String> for ConnectionStatus {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::ALL.into_iter().find(|status| status.as_str() == name).ok_or(name)
    }
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Connection {
    /// Its identifier, which no other ever has.
    pub id: ConnectionId,
    /// Whose it is.
    pub principal_id: PrincipalId,
    /// What its owner calls it.
    pub alias: Alias,
    /// The upstream server; `sandbox` is the built-in one.
    pub server: String,
    /// The account there, for people.
    pub label: String,
    /// Whether it can be used.
    #[sqlx(try_from = "String")]
    pub status: ConnectionStatus,
    /// Why it is in this status, for people.
    pub status_reason: Option<String>,
    /// Since when it is in this status.
    pub since: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Connection {
    /// The upstream server's name for people.
    #[must_use]
    pub fn server_title(&self) -> &str {
        if self.server == crate::sandbox::SERVER { crate::sandbox::TITLE } else { &self.server }
    }
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The principal has one of this name.
    #[error("there is a connection of this name already")]
    AliasTaken,
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The store of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
}

impl Connections {
    /// The connections kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        Self { database, changes, clock }
    }

    /// Makes an active connection of `principal` to `server`.
    ///
    /// # Errors
    /// When the principal has one of this alias, or the store fails.
    pub async fn create(
        &self,
        principal: &PrincipalId,
        alias: &Alias,
        server: &str,
        label: &str,
    ) -> Result<Connection, ConnectionError> {
        let now = self.clock.now();
        let id = ConnectionId::generate();
        let mut transaction = self.database.begin().await?;
        let made: Connection = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO connection (id, principal_id, alias, server, label, status, since, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING *"
        )
        .bind(&id)
        .bind(principal)
        .bind(alias)
        .bind(server)
        .bind(label)
        .bind(ConnectionStatus::Active.as_str())
        .bind(now)
        .fetch_one(connection)
        .await)
        .map_err(DatabaseError::from)
        .map_err(|error| {
            if error.is_unique_violation() {
                ConnectionError::AliasTaken
            } else {
                ConnectionError::Database(error)
            }
        })?;
        let change = Change::new(ChangeKind::Connection, id.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(made)
    }

    /// Every connection of `principal`, by alias.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, principal: &PrincipalId) -> Result<Vec<Connection>, DatabaseError> {
        let mut all: Vec<Connection> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM connection WHERE principal_id = $1"
        )
        .bind(principal)
        .fetch_all(pool)
        .await)?;
        // Not left to the engine's collation: lists are in a stable order (TOOL-1).
        all.sort_by(|one, other| one.alias.cmp(&other.alias));
        Ok(all)
    }

    /// The connection that `principal` calls `alias`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(
        &self,
        principal: &PrincipalId,
        alias: &Alias,
    ) -> Result<Option<Connection>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM connection WHERE principal_id = $1 AND alias = $2"
        )
        .bind(principal)
        .bind(alias)
        .fetch_optional(pool)
        .await)?)
    }
}
