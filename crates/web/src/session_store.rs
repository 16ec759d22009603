//! Where browser sessions are kept: our own table, so that devices can be listed and ended. The id itself is in the
//! browser's cookie alone; the row holds its hash (ASVS-7.2.3).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, PrincipalId, Seconds, Secret, SecretHash, Timestamp};
use time::OffsetDateTime;
use tower_sessions::SessionStore as Store;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

/// The key of a session's data that names who is signed in.
pub(crate) const PRINCIPAL: &str = "principal";
/// The key of a session's data that says how the browser named itself (`User-Agent`) when somebody signed in.
pub(crate) const DEVICE: &str = "device";
/// The key of a session's data that holds its name for others.
pub(crate) const SID: &str = "sid";

/// A signed-in browser that is silent for so long signs in again (ASVS-7.3.1).
const IDLE: Seconds = Seconds(24 * 3_600);
/// A signed-in browser signs in again after so long in any case.
pub(crate) const ABSOLUTE: Seconds = Seconds::days(14);
/// A browser where nobody is signed in is remembered for so long.
const ANONYMOUS: Seconds = Seconds(3_600);
/// How exactly "last seen" is kept: a write on every page view would buy nothing.
const SEEN_EVERY: Seconds = Seconds(300);

/// Sessions in the database.
#[derive(Clone, Debug)]
pub struct SessionStore {
    database: Database,
    clock: Arc<dyn Clock>,
}

/// A signed-in browser, as its owner is told of it.
#[derive(Clone, Debug)]
pub struct SessionSummary {
    /// Names the session; opens nothing, since it is the hash of the id.
    pub handle: SecretHash,
    /// How the browser named itself (`User-Agent`): a stranger's text.
    pub device: Option<String>,
    /// When somebody signed in there.
    pub signed_in_at: Timestamp,
    /// When it was used last, to five minutes.
    pub last_seen_at: Timestamp,
}

/// A session that was ended from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// What others call it.
    pub sid: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    principal_id: Option<PrincipalId>,
    data: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
}

impl Row {
    fn is_live(&self, now: Timestamp) -> bool {
        let idle = if self.principal_id.is_some() { IDLE } else { ANONYMOUS };
        now < self.last_seen_at.plus(idle) && now < self.created_at.plus(ABSOLUTE)
    }
}

impl SessionStore {
    /// Sessions kept in `database`, judged by `clock`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// Ends every session of a principal, in the transaction that holds the reason for it (ASVS-7.4.1).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_all_in(
        transaction: &mut Transaction,
        principal: &PrincipalId,
    ) -> std::result::Result<(), DatabaseError> {
        on!(transaction.on(), |connection| sqlx::query("DELETE FROM web_session WHERE principal_id = $1")
            .bind(principal)
            .execute(connection)
            .await
            .map(drop))?;
        Ok(())
    }

    /// The browsers where a principal is signed in, the one used last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        principal: &PrincipalId,
    ) -> std::result::Result<Vec<SessionSummary>, DatabaseError> {
        let now = self.clock.now();
        let rows: Vec<(SecretHash, String, Timestamp, Timestamp)> =
            on!(self.database.read(), |pool| sqlx::query_as(
                "SELECT id_hash, data, created_at, last_seen_at FROM web_session WHERE principal_id = $1 \
                 AND last_seen_at > $2 AND created_at > $3 ORDER BY last_seen_at DESC, id_hash"
            )
            .bind(principal)
            .bind(now.minus(IDLE))
            .bind(now.minus(ABSOLUTE))
            .fetch_all(pool)
            .await)?;
        let summary = |(handle, data, signed_in_at, last_seen_at): (_, String, _, _)| {
            let data: serde_json::Value = serde_json::from_str(&data).unwrap_or_default();
            let device = data[DEVICE].as_str().map(str::to_owned);
            SessionSummary { handle, device, signed_in_at, last_seen_at }
        };
        Ok(rows.into_iter().map(summary).collect())
    }

    /// Ends one session of a principal (ASVS-7.4.1), in the transaction that holds what follows from it. `None` when they
    /// have no such session.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_in(
        transaction: &mut Transaction,
        principal: &PrincipalId,
        handle: &SecretHash,
    ) -> std::result::Result<Option<EndedSession>, DatabaseError> {
        let ended: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM web_session WHERE id_hash = $1 AND principal_id = $2 RETURNING data"
        )
        .bind(handle)
        .bind(principal)
        .fetch_optional(connection)
        .await)?;
        Ok(ended.map(|(data,)| {
            let data: serde_json::Value = serde_json::from_str(&data).unwrap_or_default();
            EndedSession { sid: data[SID].as_str().map(str::to_owned) }
        }))
    }

    /// Deletes sessions that no browser can use any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: Timestamp) -> std::result::Result<(), DatabaseError> {
        let idle = "DELETE FROM web_session WHERE id_hash IN \
                    (SELECT id_hash FROM web_session WHERE last_seen_at < $1 LIMIT 500)";
        let anonymous = "DELETE FROM web_session WHERE id_hash IN (SELECT id_hash FROM web_session \
                         WHERE principal_id IS NULL AND last_seen_at < $1 LIMIT 500)";
        let absolute = "DELETE FROM web_session WHERE id_hash IN \
                        (SELECT id_hash FROM web_session WHERE created_at < $1 LIMIT 500)";
        self.database.sweep(idle, now.minus(IDLE)).await?;
        self.database.sweep(anonymous, now.minus(ANONYMOUS)).await?;
        self.database.sweep(absolute, now.minus(ABSOLUTE)).await
    }

    async fn upsert(&self, record: &Record) -> Result<()> {
        let data = serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?;
        let principal = record.data.get(PRINCIPAL).and_then(|value| value.as_str());
        on!(self.database.write(), |pool| sqlx::query(
            "INSERT INTO web_session (id_hash, principal_id, data, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (id_hash) DO UPDATE SET principal_id = $2, data = $3, last_seen_at = $4"
        )
        .bind(hash(&record.id))
        .bind(principal)
        .bind(data)
        .bind(self.clock.now())
        .execute(pool)
        .await
        .map(drop))
        .map_err(backend)
    }

    async fn seen(&self, id: &Id, now: Timestamp) -> Result<()> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE web_session SET last_seen_at = $2 WHERE id_hash = $1"
        )
        .bind(hash(id))
        .bind(now)
        .execute(pool)
        .await
        .map(drop))
        .map_err(backend)
    }
}

#[async_trait]
impl Store for SessionStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        self.upsert(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.upsert(record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let now = self.clock.now();
        let row: Option<Row> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT principal_id, data, created_at, last_seen_at FROM web_session WHERE id_hash = $1"
        )
        .bind(hash(id))
        .fetch_optional(pool)
        .await)
        .map_err(backend)?;
        let Some(row) = row.filter(|row| row.is_live(now)) else { return Ok(None) };
        if now >= row.last_seen_at.plus(SEEN_EVERY) {
            self.seen(id, now).await?;
        }
        let data: HashMap<String, serde_json::Value> =
            serde_json::from_str(&row.data).map_err(|error| Error::Decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp(row.created_at.plus(ABSOLUTE).seconds())
            .map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        on!(self.database.write(), |pool| sqlx::query("DELETE FROM web_session WHERE id_hash = $1")
            .bind(hash(id))
            .execute(pool)
            .await
            .map(drop))
        .map_err(backend)
    }
}

pub(crate) fn hash(id: &Id) -> SecretHash {
    Secret::presented(id.to_string()).hash()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn backend(error: sqlx::Error) -> Error {
    Error::Backend(error.to_string())
}
