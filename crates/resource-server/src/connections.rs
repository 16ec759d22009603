//! Connections: one principal's account at one upstream server, under the principal's own alias. Owns the tables
//! `connection` and `alias_tombstone`. Who may reach one is decided by the grant and the policy, not here; its secrets are
//! the vault's.

mod change;
mod known;
mod parting;
mod row;
mod rules;
mod status;
mod tombstone;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use portcullis_audit::{Action, ConnectionEvent, Event, Outcome};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Alias, Clock, ConnectionId, PrincipalId, Timestamp};

pub use self::change::Who;
use self::known::Known;
pub(crate) use self::parting::{Farewell, Parting};
use self::row::{Row, select};
pub use self::rules::{ArgumentRule, Rules};
pub use self::status::{ConnectionStatus, Standing};
pub use self::tombstone::{GrantEnder, Tombstone};
use crate::catalogue::AuthKind;
use crate::credentials::Credentials;

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its identifier, which no other ever has.
    pub id: ConnectionId,
    /// Whose it is.
    pub principal_id: PrincipalId,
    /// What its owner calls it.
    pub alias: Alias,
    /// The name of the upstream server in the catalogue; `sandbox` is the built-in one.
    pub server: String,
    /// The server's name for people.
    pub server_title: String,
    /// `http`, `stdio` or `sandbox`; empty when the server left the catalogue.
    pub server_kind: String,
    /// The account there, for people.
    pub label: String,
    /// How it signs in there.
    pub auth: AuthKind,
    /// How often its owner gave other credentials, counted from one. An upstream session belongs to one version.
    pub credential_version: i64,
    /// What its owner filled in that is no secret, by the names of the server's parameters.
    pub settings: BTreeMap<String, String>,
    /// Whether it can be used. One whose server is switched off is switched off.
    pub status: ConnectionStatus,
    /// Why, as a code that is stable across releases.
    pub status_code: Option<String>,
    /// Why it is in this status, for people.
    pub status_reason: Option<String>,
    /// Since when it is in this status.
    pub since: Timestamp,
    /// What went wrong last, for people.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// The protocol revision that its server spoke last.
    pub revision: Option<String>,
    /// When it was tried out last.
    pub tested_at: Option<Timestamp>,
    /// When a client used it last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// How it is handled.
    pub rules: Rules,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A connection to be made.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// Whose it will be.
    pub principal: PrincipalId,
    /// What they call it.
    pub alias: Alias,
    /// The server's name in the catalogue.
    pub server: String,
    /// The account there, for people.
    pub label: String,
    /// How it signs in there.
    pub auth: AuthKind,
    /// What was filled in that is no secret.
    pub settings: BTreeMap<String, String>,
}

/// Why a connection was not made or renamed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The principal has one of this name.
    #[error("there is a connection of this name already")]
    AliasTaken,
    /// What was granted for an earlier connection of this name did not end yet.
    #[error(
        "a connection of this name was deleted just now, and its end is being completed; try again in a minute"
    )]
    AliasEnding,
    /// The catalogue has no such server, or it is switched off.
    #[error("there is no such server, or it is switched off")]
    ServerUnknown,
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The store of connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
    grants: Option<Arc<dyn GrantEnder>>,
    credentials: Option<Credentials>,
    known: Known,
    parting: Arc<OnceLock<Arc<dyn Parting>>>,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

impl Connections {
    /// The connections kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        let known = Known::new(&changes);
        let parting = Arc::default();
        Self { database, changes, clock, grants: None, credentials: None, known, parting }
    }

    /// The same, and what was granted for a name ends as soon as the name is given up. Without it that waits for
    /// somebody who can, and until then nobody gets the name.
    #[must_use]
    pub fn ending(mut self, grants: Arc<dyn GrantEnder>) -> Self {
        self.grants = Some(grants);
        self
    }

    /// The same, and what is sealed for a connection goes with it. Without it one that has credentials cannot be deleted.
    #[must_use]
    pub fn sealing(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// From now on `parting` is told of connections that end, whoever holds this store. The first one stays.
    pub(crate) fn part_with(&self, parting: Arc<dyn Parting>) {
        let _ = self.parting.set(parting);
    }

    /// Makes a connection of `principal` to a server that asks for nothing.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn create(
        &self,
        principal: &PrincipalId,
        alias: &Alias,
        server: &str,
        label: &str,
    ) -> Result<Connection, ConnectionError> {
        let new = NewConnection {
            principal: principal.clone(),
            alias: alias.clone(),
            server: server.to_owned(),
            label: label.to_owned(),
            auth: AuthKind::None,
            settings: BTreeMap::new(),
        };
        self.add(&new).await
    }

    /// Makes a connection. To the sandbox it is active at once; to any other server it is connecting until it was tried, and
    /// a draft until it was authorised, where it has to be.
    ///
    /// # Errors
    /// When the principal has one of this alias, the server is not in the catalogue, or the store fails.
    pub async fn add(&self, new: &NewConnection) -> Result<Connection, ConnectionError> {
        let (transaction, made) = self.begin(new).await?;
        self.finish(transaction, &made, (ConnectionEvent::Created, None)).await?;
        Ok(made)
    }

    /// The first half of [`Self::add`], for those who write more in the same transaction.
    pub(crate) async fn begin(
        &self,
        new: &NewConnection,
    ) -> Result<(Transaction, Connection), ConnectionError> {
        self.settle_alias(&new.principal, &new.alias).await?;
        let mut transaction = self.database.begin().await?;
        let id = insert(&mut transaction, new, self.clock.now()).await?;
        let made = find_in(&mut transaction, &id).await?.ok_or(ConnectionError::ServerUnknown)?;
        Ok((transaction, made))
    }

    /// Every connection of `principal`, by alias.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, principal: &PrincipalId) -> Result<Vec<Connection>, DatabaseError> {
        let rows: Vec<Row> =
            on!(self.database.read(), |pool| sqlx::query_as(select!("WHERE c.principal_id = $1"))
                .bind(principal)
                .fetch_all(pool)
                .await)?;
        sorted(rows)
    }

    /// Every connection to `server`, or of everybody to every server.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_all(&self, server: Option<&str>) -> Result<Vec<Connection>, DatabaseError> {
        let rows: Vec<Row> =
            on!(self.database.read(), |pool| sqlx::query_as(select!("WHERE $1 IS NULL OR c.server = $1"))
                .bind(server)
                .fetch_all(pool)
                .await)?;
        sorted(rows)
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
        let row: Option<Row> = on!(self.database.read(), |pool| sqlx::query_as(select!(
            "WHERE c.principal_id = $1 AND c.alias = $2"
        ))
        .bind(principal)
        .bind(alias)
        .fetch_optional(pool)
        .await)?;
        row.map(Row::connection).transpose()
    }

    /// The connection of this identifier.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, id: &ConnectionId) -> Result<Option<Connection>, DatabaseError> {
        let row: Option<Row> = on!(self.database.read(), |pool| sqlx::query_as(select!("WHERE c.id = $1"))
            .bind(id)
            .fetch_optional(pool)
            .await)?;
        row.map(Row::connection).transpose()
    }

    /// The paper trail of a change and what tells the caches, committed with it.
    pub(crate) async fn finish(
        &self,
        mut transaction: Transaction,
        connection: &Connection,
        (what, because): (ConnectionEvent, Option<&'static str>),
    ) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        let outcome = if what == ConnectionEvent::Failed { Outcome::Failed } else { Outcome::Done };
        let event = connection.event(now, what, outcome);
        let event = because.map_or_else(|| event.clone(), |because| event.clone().because(because));
        portcullis_audit::record_in(&mut transaction, event).await?;
        let change = Change::new(ChangeKind::Connection, connection.id.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }
}

impl Connection {
    /// An event of this connection, with its name and the kind of its server.
    #[must_use]
    pub fn event(&self, at: Timestamp, what: ConnectionEvent, outcome: Outcome) -> Event {
        let detail = serde_json::json!({
            "alias": self.alias, "server": self.server, "server_kind": self.server_kind,
        });
        let event = Event::new(at, Action::Connection(what), outcome);
        event.by(&self.principal_id).at_connection(&self.id).with(detail)
    }
}

/// Not left to the engine's collation: lists are in a stable order (TOOL-1).
fn sorted(rows: Vec<Row>) -> Result<Vec<Connection>, DatabaseError> {
    let mut all = rows.into_iter().map(Row::connection).collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|one, other| (&one.principal_id, &one.alias).cmp(&(&other.principal_id, &other.alias)));
    Ok(all)
}

async fn find_in(
    transaction: &mut Transaction,
    id: &ConnectionId,
) -> Result<Option<Connection>, DatabaseError> {
    let row: Option<Row> = on!(transaction.on(), |connection| sqlx::query_as(select!("WHERE c.id = $1"))
        .bind(id)
        .fetch_optional(connection)
        .await)?;
    row.map(Row::connection).transpose()
}

async fn insert(
    transaction: &mut Transaction,
    new: &NewConnection,
    now: Timestamp,
) -> Result<ConnectionId, ConnectionError> {
    let id = ConnectionId::generate();
    let settings = row::encode(&new.settings)?;
    let made: Result<Option<(ConnectionId,)>, _> = on!(transaction.on(), |connection| {
        sqlx::query_as(
            "INSERT INTO connection (id, principal_id, alias, server, label, auth, settings, status, since, created_at) \
             SELECT $1, $2, $3, s.slug, $5, $6, $7, CASE WHEN s.kind = 'sandbox' THEN 'active' \
             WHEN $6 = 'oauth' THEN 'draft' ELSE 'connecting' END, $8, $8 \
             FROM server s WHERE s.slug = $4 AND s.disabled_at IS NULL RETURNING id",
        )
        .bind(&id)
        .bind(&new.principal)
        .bind(&new.alias)
        .bind(&new.server)
        .bind(&new.label)
        .bind(new.auth.as_str())
        .bind(&settings)
        .bind(now)
        .fetch_optional(connection)
        .await
    });
    match made.map_err(DatabaseError::from) {
        Ok(Some(_)) => Ok(id),
        Ok(None) => Err(ConnectionError::ServerUnknown),
        Err(taken) if taken.is_unique_violation() => Err(ConnectionError::AliasTaken),
        Err(error) => Err(ConnectionError::Database(error)),
    }
}
