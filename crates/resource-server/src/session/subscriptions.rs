//! What sessions watch: single resources, by the names that their clients know. Owns the table `mcp_subscription`, of which a
//! row lives no longer than its session and its connection. Whether a session may hear of a resource is asked anew each time
//! that there is something to hear.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_database::{Change, ChangeKind, DatabaseError, on};
use portcullis_oauth::{ConnectionId, Timestamp};
use sha2::{Digest, Sha256};

use super::{Session, Sessions};

/// A session watches so many resources at most, and so does a stream of the era without sessions.
pub(crate) const MOST_WATCHED: usize = 64;

/// A resource that a session watches.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Subscription {
    /// The name that its client knows.
    pub(crate) uri: String,
    /// The connection that it led to.
    pub(crate) connection_id: ConnectionId,
}

/// What came of a wish to watch something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscribed {
    /// It is watched, if it was not before.
    Kept,
    /// The session watches as many as it may.
    Full,
    /// There is no such session any more.
    Gone,
}

impl Sessions {
    /// Has a session watch a resource. Twice is once.
    pub(crate) async fn subscribe(
        &self,
        session: &Session,
        subscription: &Subscription,
        now: Timestamp,
    ) -> Result<Subscribed, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        // One at a time, so that what is counted holds.
        let found: Option<(i64,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "UPDATE mcp_session SET used_at = used_at WHERE id_hash = $1 RETURNING used_at"
        )
        .bind(&session.id_hash)
        .fetch_optional(connection)
        .await)?;
        if found.is_none() {
            return Ok(Subscribed::Gone);
        }
        let kept: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO mcp_subscription (session_hash, uri_hash, uri, connection_id, created_at) \
             SELECT $1, $2, $3, $4, $5 WHERE (SELECT COUNT(*) FROM mcp_subscription \
             WHERE session_hash = $1 AND uri_hash <> $2) < $6 \
             ON CONFLICT (session_hash, uri_hash) DO UPDATE SET connection_id = excluded.connection_id \
             RETURNING uri_hash"
        )
        .bind(&session.id_hash)
        .bind(hash(&subscription.uri))
        .bind(&subscription.uri)
        .bind(&subscription.connection_id)
        .bind(now)
        .bind(i64::try_from(MOST_WATCHED).unwrap_or(i64::MAX))
        .fetch_optional(connection)
        .await)?;
        if kept.is_none() {
            return Ok(Subscribed::Full);
        }
        self.tell(transaction, session, now).await?;
        Ok(Subscribed::Kept)
    }

    /// Has a session watch a resource no longer.
    pub(crate) async fn unsubscribe(
        &self,
        session: &Session,
        uri: &str,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let ended = on!(transaction.on(), |connection| sqlx::query(
            "DELETE FROM mcp_subscription WHERE session_hash = $1 AND uri_hash = $2"
        )
        .bind(&session.id_hash)
        .bind(hash(uri))
        .execute(connection)
        .await
        .map(|done| done.rows_affected()))?;
        // Where nothing ended there is nothing to tell.
        if ended == 0 { Ok(()) } else { self.tell(transaction, session, now).await }
    }

    /// What a session watches.
    pub(crate) async fn subscriptions(&self, session: &Session) -> Result<Vec<Subscription>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT uri, connection_id FROM mcp_subscription WHERE session_hash = $1 ORDER BY created_at, uri_hash"
        )
        .bind(&session.id_hash)
        .fetch_all(pool)
        .await
        })?)
    }

    /// Commits, and tells the session's streams on every node.
    async fn tell(
        &self,
        mut transaction: portcullis_database::Transaction,
        session: &Session,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let change = Change::new(ChangeKind::McpSession, session.id_hash.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }
}

fn hash(uri: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(uri.as_bytes()))
}
