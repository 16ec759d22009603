//! `authorization_request`: a flow between its arrival and its answer. What was asked is read from here and from nowhere
//! else afterwards (A09).

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{
    ClientId, CodeChallenge, JwkThumbprint, ResourceUri, ScopeSet, Secret, SecretHash, SecretKind, Timestamp,
};

use super::pushed_requests;
use super::targets::Targets;
use crate::attempt::AttemptId;
use crate::openid::{OpenIdRequest, SignInDemand};
use crate::settings::REQUEST_LIFE;

/// A request that was judged and may be answered.
#[derive(Clone, Debug)]
pub(crate) struct NewRequest {
    pub(crate) browser: String,
    pub(crate) client_id: ClientId,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) code_challenge: CodeChallenge,
    pub(crate) targets: Targets,
    /// The pushed request that it comes from (RFC 9126).
    pub(crate) pushed: Option<SecretHash>,
    pub(crate) client_fingerprint: String,
    /// The attempt that it is part of.
    pub(crate) attempt: Option<AttemptId>,
    pub(crate) openid: OpenIdRequest,
    pub(crate) demand: SignInDemand,
    /// The key that the code will be bound to (RFC 9449 §10).
    pub(crate) dpop_jkt: Option<JwkThumbprint>,
}

/// A request that waits for its user.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct PendingRequest {
    /// What the client was when it asked; none in rows of an older release.
    pub(crate) client_fingerprint: Option<String>,
    pub(crate) client_id: ClientId,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) code_challenge: CodeChallenge,
    resource: ResourceUri,
    scope: ScopeSet,
    further: Option<String>,
    pub(crate) attempt: Option<AttemptId>,
    pub(crate) nonce: Option<String>,
    pub(crate) login_hint: Option<String>,
    /// Which sign-in it accepts.
    #[sqlx(flatten)]
    pub(crate) demand: SignInDemand,
    pub(crate) dpop_jkt: Option<JwkThumbprint>,
}

impl PendingRequest {
    /// What it is for.
    pub(crate) fn targets(&self) -> Result<Targets, DatabaseError> {
        Targets::read((&self.resource, &self.scope), self.further.as_deref())
    }
}

/// A request that cannot be answered here.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) attempt: Option<AttemptId>,
    /// It waits, but another browser began it.
    pub(crate) in_time: bool,
}

/// The flows under way.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    database: Database,
}

impl Requests {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps a request; the handle travels in the URLs of its pages.
    pub(crate) async fn create(&self, new: &NewRequest, now: Timestamp) -> Result<Secret, DatabaseError> {
        let handle = Secret::generate(SecretKind::AuthorizationRequest);
        let further = new.targets.column()?;
        on!(self.database.write(), |pool| {
            sqlx::query(
            "INSERT INTO authorization_request (hash, browser, client_id, redirect_uri, state, code_challenge, resource, \
             scope, pushed, expires_at, client_fingerprint, attempt, further, nonce, login_hint, stale_sign_in, max_age, dpop_jkt) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
        )
        .bind(handle.hash())
        .bind(&new.browser)
        .bind(&new.client_id)
        .bind(&new.redirect_uri)
        .bind(&new.state)
        .bind(&new.code_challenge)
        .bind(&new.targets.first.resource)
        .bind(&new.targets.first.scope)
        .bind(&new.pushed)
        .bind(now.plus(REQUEST_LIFE))
        .bind(&new.client_fingerprint)
        .bind(&new.attempt)
        .bind(&further)
        .bind(&new.openid.nonce)
        .bind(&new.openid.login_hint)
        .bind(new.demand.stale_sign_in)
        .bind(new.demand.max_age)
        .bind(&new.dpop_jkt)
        .execute(pool)
        .await
        .map(drop)
        })?;
        Ok(handle)
    }

    /// The undecided request of this handle, if this browser began it (A16, A39).
    pub(crate) async fn find(
        &self,
        handle: &Secret,
        browser: &str,
        now: Timestamp,
    ) -> Result<Option<PendingRequest>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT client_id, redirect_uri, state, code_challenge, resource, scope, further, client_fingerprint, attempt, nonce, \
             login_hint, stale_sign_in, max_age, dpop_jkt FROM authorization_request \
             WHERE hash = $1 AND browser = $2 AND expires_at > $3 AND decided_at IS NULL"
        )
        .bind(handle.hash())
        .bind(browser)
        .bind(now)
        .fetch_optional(pool)
        .await
        })?)
    }

    /// The attempt of a handle under which [`find`](Self::find) finds nothing, and why not: for the trace, never for whoever
    /// asks.
    pub(crate) async fn why_not(
        &self,
        handle: &Secret,
        now: Timestamp,
    ) -> Result<Option<Over>, DatabaseError> {
        let row: Option<(Option<AttemptId>, Option<Timestamp>, Timestamp)> =
            on!(self.database.read(), |pool| sqlx::query_as(
                "SELECT attempt, decided_at, expires_at FROM authorization_request WHERE hash = $1"
            )
            .bind(handle.hash())
            .fetch_optional(pool)
            .await)?;
        Ok(row.map(|(attempt, decided_at, expires_at)| Over {
            attempt,
            in_time: decided_at.is_none() && now < expires_at,
        }))
    }

    /// Deletes requests that nobody can answer any more.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM authorization_request WHERE hash IN (SELECT hash FROM authorization_request WHERE expires_at < $1 LIMIT 500)";
        self.database.sweep(sql, before).await
    }
}

/// Decides a request, once: `true` for the one whose decision counts.
pub(crate) async fn decide_in(
    transaction: &mut Transaction,
    handle: &Secret,
    browser: &str,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let decided: Option<(Option<SecretHash>,)> = on!(transaction.on(), |connection| {
        sqlx::query_as(
        "UPDATE authorization_request SET decided_at = $3 WHERE hash = $1 AND browser = $2 AND decided_at IS NULL \
         AND expires_at > $3 RETURNING pushed"
    )
    .bind(handle.hash())
    .bind(browser)
    .bind(now)
    .fetch_optional(connection)
    .await
    })?;
    match decided {
        None => Ok(false),
        Some((None,)) => Ok(true),
        Some((Some(pushed),)) => pushed_requests::use_in(transaction, &pushed, now).await,
    }
}
