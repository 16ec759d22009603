//! `pushed_request`: what a client pushed (RFC 9126), for one use within a minute and a half. A reload before the decision
//! is no second use (R9126-2.2-2).

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{ClientId, Secret, SecretHash, SecretKind, Timestamp};

use crate::attempt::AttemptId;
use crate::settings::PUSHED_REQUEST_LIFE;

/// What a client pushed.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Pushed {
    pub(crate) parameters: String,
    pub(crate) attempt: Option<AttemptId>,
}

/// The pushed requests of this server.
#[derive(Clone, Debug)]
pub(crate) struct PushedRequests {
    database: Database,
}

impl PushedRequests {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps a request that was judged; the handle is the end of its `request_uri`.
    pub(crate) async fn create(
        &self,
        client: &ClientId,
        (parameters, attempt): (&str, Option<&AttemptId>),
        now: Timestamp,
    ) -> Result<Secret, DatabaseError> {
        let handle = Secret::generate(SecretKind::PushedRequest);
        on!(self.database.write(), |pool| {
            sqlx::query(
            "INSERT INTO pushed_request (hash, client_id, parameters, expires_at, attempt) VALUES ($1, $2, $3, $4, $5)"
        )
        .bind(handle.hash())
        .bind(client)
        .bind(parameters)
        .bind(now.plus(PUSHED_REQUEST_LIFE))
        .bind(attempt)
        .execute(pool)
        .await
        .map(drop)
        })?;
        Ok(handle)
    }

    /// What this client pushed under this handle, as long as nobody decided about it.
    pub(crate) async fn find(
        &self,
        handle: &Secret,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Option<Pushed>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
                "SELECT parameters, attempt FROM pushed_request WHERE hash = $1 AND client_id = $2 AND expires_at > $3 \
                 AND used_at IS NULL",
            )
            .bind(handle.hash())
            .bind(client)
            .bind(now)
            .fetch_optional(pool)
            .await
        })?)
    }

    /// Deletes what can neither be opened nor be decided about any more.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM pushed_request WHERE hash IN (SELECT hash FROM pushed_request p WHERE p.expires_at < $1 \
                   AND NOT EXISTS (SELECT 1 FROM authorization_request r WHERE r.pushed = p.hash) LIMIT 500)";
        self.database.sweep(sql, before).await
    }
}

/// Uses a pushed request up: `true` for the one decision, in however many browsers, that counts.
pub(super) async fn use_in(
    transaction: &mut Transaction,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let used: Option<(SecretHash,)> = on!(transaction.on(), |connection| sqlx::query_as(
        "UPDATE pushed_request SET used_at = $2 WHERE hash = $1 AND used_at IS NULL RETURNING hash"
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(connection)
    .await)?;
    Ok(used.is_some())
}
