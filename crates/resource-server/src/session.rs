//! MCP sessions of the revisions up to 2025-11-25. Owns the table `mcp_session`. A session carries the negotiated
//! revision, what the client said of itself and how much it wants to be told: it never authenticates anybody (HTTP25-10),
//! and any node serves any session.

pub(crate) mod subscriptions;

use std::sync::Arc;

use moka::sync::Cache;
use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener, Database, DatabaseError, on};
use portcullis_oauth::{
    ClientId, PrincipalId, ResourceUri, Seconds, Secret, SecretHash, SecretKind, Timestamp, VerifiedBearer,
};
use serde_json::Value;

use crate::protocol::{Level, Revision};
use crate::reach::Asking;

/// How long a session lives at most.
const LIFE: Seconds = Seconds::days(7);
/// How long one lives that nobody uses.
const IDLE: Seconds = Seconds::days(1);
/// A use is noted so often at most.
const USED: Seconds = Seconds::minutes(10);
/// So many sessions one client of one user may hold; opening another ends the oldest.
const PER_CLIENT: i64 = 100;
/// So many sessions are remembered.
const CAPACITY: u64 = 20_000;

/// A session.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Session {
    id_hash: SecretHash,
    principal_id: PrincipalId,
    client_id: ClientId,
    resource: ResourceUri,
    created_at: Timestamp,
    used_at: Timestamp,
    protocol_version: String,
    capabilities: String,
    log_level: Option<String>,
}

impl Session {
    /// Whether it is this bearer's, and alive. Everybody else's is an unknown one (T17).
    fn serves(&self, bearer: &VerifiedBearer, now: Timestamp) -> bool {
        self.principal_id == bearer.principal().id
            && self.client_id == *bearer.client_id()
            && self.resource == *bearer.resource()
            && now < self.created_at.plus(LIFE)
            && now < self.used_at.plus(IDLE)
    }

    /// The hash of its id, by which it is known here.
    pub(crate) fn id(&self) -> &SecretHash {
        &self.id_hash
    }

    /// The revision that was agreed on.
    pub(crate) fn revision(&self) -> Option<Revision> {
        Revision::parse(&self.protocol_version)
    }

    /// What its client can be asked.
    pub(crate) fn asking(&self) -> Asking {
        Asking::declared(&serde_json::from_str(&self.capabilities).unwrap_or_default())
    }

    /// From which level on its client wants log messages; all of them unless it said so.
    pub(crate) fn level(&self) -> Option<Level> {
        self.log_level.as_deref().and_then(Level::parse)
    }
}

/// The store of sessions, with a bounded cache.
pub(crate) struct Sessions {
    database: Database,
    changes: ChangeFeed,
    known: Cache<String, Session>,
}

impl Sessions {
    /// The sessions kept in `database`.
    pub(crate) fn new(database: Database, changes: ChangeFeed) -> Self {
        let known = Cache::new(CAPACITY);
        changes.subscribe(Arc::new(Forget(known.clone())));
        Self { database, changes, known }
    }

    /// Opens a session of this bearer and gives its id, which is shown once.
    pub(crate) async fn begin(
        &self,
        bearer: &VerifiedBearer,
        (version, capabilities): (&'static str, &Value),
        now: Timestamp,
    ) -> Result<Secret, DatabaseError> {
        let id = Secret::generate(SecretKind::McpSession);
        let mut transaction = self.database.begin().await?;
        let displaced: Vec<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM mcp_session WHERE id_hash IN (SELECT id_hash FROM mcp_session \
             WHERE principal_id = $1 AND client_id = $2 ORDER BY created_at DESC LIMIT 1000 OFFSET $3) \
             RETURNING id_hash"
        )
        .bind(&bearer.principal().id)
        .bind(bearer.client_id())
        .bind(PER_CLIENT - 1)
        .fetch_all(connection)
        .await)?;
        on!(transaction.on(), |connection| {
            sqlx::query(
            "INSERT INTO mcp_session (id_hash, principal_id, client_id, resource, protocol_version, created_at, \
             used_at, capabilities) VALUES ($1, $2, $3, $4, $5, $6, $6, $7)"
        )
        .bind(id.hash())
        .bind(&bearer.principal().id)
        .bind(bearer.client_id())
        .bind(bearer.resource())
        .bind(version)
        .bind(now)
        .bind(capabilities.to_string())
        .execute(connection)
        .await
        .map(drop)
        })?;
        let ended: Vec<Change> =
            displaced.into_iter().map(|(hash,)| Change::new(ChangeKind::McpSession, hash)).collect();
        for change in &ended {
            transaction.record_change(change, now).await?;
        }
        transaction.commit().await?;
        for change in &ended {
            self.changes.publish(change);
        }
        Ok(id)
    }

    /// The session of this id, if it is this bearer's and alive.
    pub(crate) async fn find(
        &self,
        id: &str,
        bearer: &VerifiedBearer,
        now: Timestamp,
    ) -> Result<Option<Session>, DatabaseError> {
        let hash = Secret::presented(id).hash();
        if !self.changes.is_timely() {
            self.known.invalidate_all();
        }
        let session = match self.known.get(hash.as_str()) {
            // Another node may have seen it used.
            Some(session) if now < session.used_at.plus(USED) => Some(session),
            _ => self.load(&hash).await?,
        };
        let Some(session) = session.filter(|session| session.serves(bearer, now)) else { return Ok(None) };
        if now >= session.used_at.plus(USED) {
            self.used(&session, now).await?;
        }
        Ok(Some(session))
    }

    /// Whether it is still there, without counting as a use.
    pub(crate) async fn is_alive(
        &self,
        session: &Session,
        bearer: &VerifiedBearer,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let found = match self.known.get(session.id_hash.as_str()) {
            Some(session) if self.changes.is_timely() => Some(session),
            _ => self.load(&session.id_hash).await?,
        };
        Ok(found.is_some_and(|session| session.serves(bearer, now)))
    }

    /// Notes from which level on its client wants log messages.
    pub(crate) async fn set_level(
        &self,
        session: &Session,
        level: Level,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let change = Change::new(ChangeKind::McpSession, session.id_hash.as_str());
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| {
            sqlx::query("UPDATE mcp_session SET log_level = $2 WHERE id_hash = $1")
                .bind(&session.id_hash)
                .bind(level.as_str())
                .execute(connection)
                .await
                .map(drop)
        })?;
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }

    /// Notes that it is used; every ten minutes, so that most requests write nothing.
    async fn used(&self, session: &Session, now: Timestamp) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| {
            sqlx::query("UPDATE mcp_session SET used_at = $2 WHERE id_hash = $1")
                .bind(&session.id_hash)
                .bind(now)
                .execute(pool)
                .await
                .map(drop)
        })?;
        self.known.invalidate(session.id_hash.as_str());
        Ok(())
    }

    async fn load(&self, hash: &SecretHash) -> Result<Option<Session>, DatabaseError> {
        let stamp = self.changes.stamp();
        let found: Option<Session> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT id_hash, principal_id, client_id, resource, created_at, used_at, protocol_version, capabilities, log_level \
             FROM mcp_session WHERE id_hash = $1"
        )
        .bind(hash)
        .fetch_optional(pool)
        .await
        })?;
        if let Some(session) = &found {
            self.known.insert(hash.as_str().to_owned(), session.clone());
            if !self.changes.is_timely() || !self.changes.is_current(stamp) {
                self.known.invalidate(hash.as_str());
            }
        }
        Ok(found)
    }

    /// Ends a session, on every node within a second.
    pub(crate) async fn end(&self, session: &Session, now: Timestamp) -> Result<(), DatabaseError> {
        let change = Change::new(ChangeKind::McpSession, session.id_hash.as_str());
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| sqlx::query("DELETE FROM mcp_session WHERE id_hash = $1")
            .bind(&session.id_hash)
            .execute(connection)
            .await
            .map(drop))?;
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }

    /// Deletes sessions whose life is over.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM mcp_session WHERE id_hash IN \
                   (SELECT id_hash FROM mcp_session WHERE created_at < $1 LIMIT 500)";
        self.database.sweep(sql, now.minus(LIFE)).await?;
        let sql = "DELETE FROM mcp_session WHERE id_hash IN \
                   (SELECT id_hash FROM mcp_session WHERE used_at < $1 LIMIT 500)";
        self.database.sweep(sql, now.minus(IDLE)).await
    }
}

/// Forgets a session that ended.
struct Forget(Cache<String, Session>);

impl ChangeListener for Forget {
    fn changed(&self, change: &Change) {
        if change.kind == ChangeKind::McpSession {
            self.0.invalidate(&change.subject);
        }
    }

    fn missed(&self) {
        self.0.invalidate_all();
    }
}
