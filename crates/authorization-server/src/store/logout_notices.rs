//! `logout_notice`: clients that are still to be told of a session's end. A row is written with what ends the session.

use std::collections::BTreeSet;

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{ClientId, ClientMetadata, PrincipalId, Timestamp, random_handle};

/// So many are delivered at once.
const BATCH: i64 = 16;

/// A notice that is due.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct LogoutNotice {
    pub(crate) id: String,
    pub(crate) client_id: ClientId,
    pub(crate) principal_id: PrincipalId,
    pub(crate) sid: Option<String>,
    /// This one included.
    pub(crate) attempts: i64,
}

/// A client that learned of the session.
#[derive(sqlx::FromRow)]
struct Listener {
    client_id: ClientId,
    principal_id: PrincipalId,
    sid: String,
    metadata: String,
}

/// The notices that wait.
#[derive(Clone, Debug)]
pub(crate) struct LogoutNotices {
    database: Database,
}

impl LogoutNotices {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Takes what is due at `now` for one attempt; nobody else does so before `until`.
    pub(crate) async fn claim(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<LogoutNotice>, DatabaseError> {
        Ok(on!(self.database.write(), |pool| {
            sqlx::query_as(
                "UPDATE logout_notice SET attempts = attempts + 1, due_at = $2 WHERE due_at <= $1 AND id IN \
             (SELECT id FROM logout_notice WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3) \
             RETURNING id, client_id, principal_id, sid, attempts",
            )
            .bind(now)
            .bind(until)
            .bind(BATCH)
            .fetch_all(pool)
            .await
        })?)
    }

    /// Tries again, not before `at`.
    pub(crate) async fn postpone(&self, notice: &LogoutNotice, at: Timestamp) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query("UPDATE logout_notice SET due_at = $2 WHERE id = $1")
            .bind(&notice.id)
            .bind(at)
            .execute(pool)
            .await
            .map(drop))?;
        Ok(())
    }

    /// It is delivered, or given up.
    pub(crate) async fn remove(&self, notice: &LogoutNotice) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query("DELETE FROM logout_notice WHERE id = $1")
            .bind(&notice.id)
            .execute(pool)
            .await
            .map(drop))?;
        Ok(())
    }
}

/// A session is over: every client that learned of it and wants to hear so gets a notice.
pub(crate) async fn end_sid_in(
    transaction: &mut Transaction,
    sid: &str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    const SQL: &str = "UPDATE oauth_grant SET signed_out_at = $2 WHERE sid = $1 AND signed_out_at IS NULL \
         RETURNING client_id, principal_id, sid, \
         (SELECT c.metadata FROM oauth_client c WHERE c.id = client_id) AS metadata";
    for notice in heard(signed_out(transaction, SQL, sid, now).await?, true) {
        insert(transaction, &notice, now).await?;
    }
    Ok(())
}

/// Every session of a person is over: one notice a client, or one a session for clients that need to know which.
pub(super) async fn end_all_in(
    transaction: &mut Transaction,
    principal: &PrincipalId,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    const SQL: &str = "UPDATE oauth_grant SET signed_out_at = $2 WHERE principal_id = $1 AND sid IS NOT NULL \
         AND signed_out_at IS NULL RETURNING client_id, principal_id, sid, \
         (SELECT c.metadata FROM oauth_client c WHERE c.id = client_id) AS metadata";
    for notice in heard(signed_out(transaction, SQL, principal.as_str(), now).await?, false) {
        insert(transaction, &notice, now).await?;
    }
    Ok(())
}

async fn signed_out(
    transaction: &mut Transaction,
    sql: &'static str,
    whose: &str,
    now: Timestamp,
) -> Result<Vec<Listener>, DatabaseError> {
    Ok(on!(transaction.on(), |connection| sqlx::query_as(sql)
        .bind(whose)
        .bind(now)
        .fetch_all(connection)
        .await)?)
}

/// Whom, of whom, and of which session; each once.
fn heard(listeners: Vec<Listener>, by_session: bool) -> BTreeSet<(ClientId, PrincipalId, Option<String>)> {
    let notice = |listener: Listener| {
        let metadata: ClientMetadata = serde_json::from_str(&listener.metadata).ok()?;
        metadata.openid.backchannel_logout_uri.as_ref()?;
        let names_session = by_session || metadata.openid.backchannel_logout_session_required;
        Some((listener.client_id, listener.principal_id, names_session.then_some(listener.sid)))
    };
    listeners.into_iter().filter_map(notice).collect()
}

async fn insert(
    transaction: &mut Transaction,
    (client, principal, sid): &(ClientId, PrincipalId, Option<String>),
    now: Timestamp,
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query(
        "INSERT INTO logout_notice (id, client_id, principal_id, sid, created_at, attempts, due_at) \
         VALUES ($1, $2, $3, $4, $5, 0, $5)"
    )
    .bind(random_handle("lgo_"))
    .bind(client)
    .bind(principal)
    .bind(sid)
    .bind(now)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(())
}
