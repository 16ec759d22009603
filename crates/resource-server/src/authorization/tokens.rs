//! What is known of a connection's tokens. Owns the tables `upstream_token` and `upstream_refresh_lease`; the tokens
//! themselves are credentials.

use std::sync::Arc;

use portcullis_audit::{ConnectionEvent, Outcome};
use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::client::TokenAnswer;
use portcullis_oauth::{Clock, ConnectionId, ScopeSet, Seconds, Secret, Timestamp, random_handle};

use super::flows::Flow;
use crate::connections::Connection;
use crate::credentials::{CredentialError, Credentials};

/// The credential that opens the upstream.
pub(super) const ACCESS: &str = "oauth_access";
/// The credential that gets the next one.
pub(super) const REFRESH: &str = "oauth_refresh";
/// A token that ends so soon is refreshed already, so that it does not end on its way; of a short life the last quarter.
const EARLY: Seconds = Seconds(60);
/// How long one node may take for a refresh before another tries. Longer than any request of ours.
const LEASE: Seconds = Seconds(90);

/// The facts about a connection's tokens.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Held {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) token_endpoint: String,
    pub(super) resource: String,
    pub(super) scopes_requested: ScopeSet,
    pub(super) scopes_granted: ScopeSet,
    pub(super) scopes_wanted: ScopeSet,
    pub(super) revision: i64,
    pub(super) obtained_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) refreshable: bool,
    pub(super) failures: i64,
    pub(super) retry_at: Option<Timestamp>,
}

impl Held {
    /// Whether the access token is good at `now`.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it is good at `now` and for a while after.
    pub(super) fn lasts(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| {
            let last = self.obtained_at.seconds_until(end) / 4;
            now.plus(Seconds(last.min(EARLY.0))) < end
        })
    }
}

/// The store of what is known of tokens.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    database: Database,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
}

impl Tokens {
    pub(super) fn new(database: Database, clock: Arc<dyn Clock>, credentials: Credentials) -> Self {
        Self { database, clock, credentials }
    }

    pub(super) async fn find(&self, connection: &ConnectionId) -> Result<Option<Held>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM upstream_token WHERE connection_id = $1"
        )
        .bind(connection)
        .fetch_optional(pool)
        .await)?)
    }

    /// Keeps the first tokens of a flow, in the transaction in which the connection takes note of them.
    pub(super) async fn keep_in(
        &self,
        transaction: &mut Transaction,
        flow: &Flow,
        answer: &TokenAnswer,
    ) -> Result<(), CredentialError> {
        let (id, now) = (&flow.connection_id, self.clock.now());
        self.put_in(transaction, id, answer).await?;
        if answer.refresh_token.is_none() {
            self.credentials.remove_in(transaction, id, REFRESH).await?;
        }
        let granted = answer.scope.as_ref().unwrap_or(&flow.scopes);
        on!(transaction.on(), |executor| {
            sqlx::query(
                "INSERT INTO upstream_token (connection_id, issuer, client_id, token_endpoint, resource, \
                 scopes_requested, scopes_granted, scopes_wanted, revision, obtained_at, expires_at, refreshable, \
                 failures) VALUES ($1, $2, $3, $4, $5, $6, $7, '', 1, $8, $9, $10, 0) \
                 ON CONFLICT (connection_id) DO UPDATE SET issuer = $2, client_id = $3, token_endpoint = $4, \
                 resource = $5, scopes_requested = $6, scopes_granted = $7, scopes_wanted = '', \
                 revision = upstream_token.revision + 1, obtained_at = $8, expires_at = $9, refreshable = $10, \
                 failures = 0, retry_at = NULL",
            )
            .bind(id)
            .bind(&flow.issuer)
            .bind(&flow.client_id)
            .bind(&flow.token_endpoint)
            .bind(&flow.resource)
            .bind(&flow.scopes)
            .bind(granted)
            .bind(now)
            .bind(answer.expires_in.map(|life| now.plus(life)))
            .bind(answer.refresh_token.is_some())
            .execute(executor)
            .await
            .map(drop)
        })
        .map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Keeps the tokens of a refresh. `false`, and nothing is kept, when others came meanwhile.
    pub(super) async fn rotate(
        &self,
        connection: &Connection,
        held: &Held,
        answer: &TokenAnswer,
    ) -> Result<bool, CredentialError> {
        let (id, now) = (&connection.id, self.clock.now());
        let granted = answer.scope.as_ref().unwrap_or(&held.scopes_granted);
        let mut transaction = self.database.begin().await?;
        let verdict: Option<(i64,)> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE upstream_token SET revision = revision + 1, scopes_granted = $3, obtained_at = $4, \
             expires_at = $5, failures = 0, retry_at = NULL WHERE connection_id = $1 AND revision = $2 \
             RETURNING revision"
        )
        .bind(id)
        .bind(held.revision)
        .bind(granted)
        .bind(now)
        .bind(answer.expires_in.map(|life| now.plus(life)))
        .fetch_optional(executor)
        .await)
        .map_err(DatabaseError::from)?;
        if verdict.is_none() {
            return Ok(false);
        }
        self.put_in(&mut transaction, id, answer).await?;
        let event = connection.event(now, ConnectionEvent::Refreshed, Outcome::Done);
        portcullis_audit::record_in(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn put_in(
        &self,
        transaction: &mut Transaction,
        connection: &ConnectionId,
        answer: &TokenAnswer,
    ) -> Result<(), CredentialError> {
        self.credentials.put_in(transaction, connection, ACCESS, &answer.access_token).await?;
        if let Some(refresh) = &answer.refresh_token {
            self.credentials.put_in(transaction, connection, REFRESH, refresh).await?;
        }
        Ok(())
    }

    /// One of the two tokens.
    pub(super) async fn secret(
        &self,
        connection: &ConnectionId,
        field: &str,
    ) -> Result<Option<Secret>, CredentialError> {
        self.credentials.get(connection, field).await
    }

    /// Notes that a refresh did not come about, and when the next may be tried.
    pub(super) async fn postpone(
        &self,
        connection: &ConnectionId,
        held: &Held,
        retry_at: Timestamp,
    ) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE upstream_token SET failures = failures + 1, retry_at = $3 \
             WHERE connection_id = $1 AND revision = $2"
        )
        .bind(connection)
        .bind(held.revision)
        .bind(retry_at)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Notes that no refresh will come about any more. `now_dead`: and that the access token is refused.
    pub(super) async fn give_up(
        &self,
        connection: &ConnectionId,
        held: &Held,
        now_dead: bool,
    ) -> Result<(), DatabaseError> {
        let end = now_dead.then(|| self.clock.now());
        on!(self.database.write(), |pool| {
            sqlx::query(
            "UPDATE upstream_token SET refreshable = FALSE, retry_at = NULL, expires_at = COALESCE($3, expires_at) \
             WHERE connection_id = $1 AND revision = $2"
        )
        .bind(connection)
        .bind(held.revision)
        .bind(end)
        .execute(pool)
        .await
        .map(drop)
        })?;
        Ok(())
    }

    /// Remembers what the upstream asked for beyond what was granted.
    pub(super) async fn want(
        &self,
        connection: &ConnectionId,
        wanted: &ScopeSet,
    ) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE upstream_token SET scopes_wanted = $2 WHERE connection_id = $1"
        )
        .bind(connection)
        .bind(wanted)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Those whose postponed refresh may be tried again, some at a time.
    pub(super) async fn due(&self, now: Timestamp) -> Result<Vec<ConnectionId>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_scalar(
            "SELECT connection_id FROM upstream_token WHERE retry_at <= $1 AND expires_at <= $1 \
             ORDER BY retry_at LIMIT 20"
        )
        .bind(now)
        .fetch_all(pool)
        .await)?)
    }

    /// Takes the lease of one refresh, unless somebody has it: one statement, whose row is the verdict. One whose time is
    /// over is taken over.
    pub(super) async fn lease(&self, connection: &ConnectionId) -> Result<Option<Lease>, DatabaseError> {
        let (holder, now) = (random_handle("ref_"), self.clock.now());
        let taken: Option<(String,)> = on!(self.database.write(), |pool| sqlx::query_as(
            "INSERT INTO upstream_refresh_lease (connection_id, holder, until) VALUES ($1, $2, $4) \
             ON CONFLICT (connection_id) DO UPDATE SET holder = $2, until = $4 \
             WHERE upstream_refresh_lease.until <= $3 RETURNING holder"
        )
        .bind(connection)
        .bind(&holder)
        .bind(now)
        .bind(now.plus(LEASE))
        .fetch_optional(pool)
        .await)?;
        Ok(taken.map(|_| Lease { connection: connection.clone(), holder }))
    }

    /// Gives a lease back; one that somebody took over stays theirs.
    pub(super) async fn release(&self, lease: &Lease) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "DELETE FROM upstream_refresh_lease WHERE connection_id = $1 AND holder = $2"
        )
        .bind(&lease.connection)
        .bind(&lease.holder)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }
}

/// The right to refresh the tokens of one connection.
#[derive(Debug)]
pub(super) struct Lease {
    connection: ConnectionId,
    holder: String,
}
