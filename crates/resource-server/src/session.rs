//! MCP sessions of the revisions up to 2025-11-25. Owns the table `mcp_session`. A session carries the negotiated
//! revision and nothing else: it never authenticates anybody (HTTP25-10), and any node serves any session.

use std::sync::Arc;

use moka::sync::Cache;
use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener, Database, DatabaseError, on};
use portcullis_oauth::{
    ClientId, PrincipalId, ResourceUri, Seconds, Secret, SecretHash, SecretKind, Timestamp, VerifiedBearer,
};

/// How long a session lives at most.
const LIFE: Seconds = Seconds::days(7);
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
}

impl Session {
    /// Whether it is this bearer's, and alive. Everybody else's is an unknown one (T17).
    fn serves(&self, bearer: &VerifiedBearer, now: Timestamp) -> bool {
        self.principal_id == bearer.principal().id
            && self.client_id == *bearer.client_id()
            && self.resource == *bearer.resource()
            && now < self.created_at.plus(LIFE)
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
        version: &'static str,
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
            "INSERT INTO mcp_session (id_hash, principal_id, client_id, resource, protocol_version, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6)"
        )
        .bind(id.hash())
        .bind(&bearer.principal().id)
        .bind(bearer.client_id())
        .bind(bearer.resource())
        .bind(version)
        .bind(now)
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
            Some(session) => Some(session),
            None => self.load(&hash).await?,
        };
        Ok(session.filter(|session| session.serves(bearer, now)))
    }

    async fn load(&self, hash: &SecretHash) -> Result<Option<Session>, DatabaseError> {
        let stamp = self.changes.stamp();
        let found: Option<Session> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT id_hash, principal_id, client_id, resource, created_at FROM mcp_session WHERE id_hash = $1"
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
        self.database.sweep(sql, now.minus(LIFE)).await
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
