//! `authorization_code`: redeemed once, by one statement whose row is the verdict (OA21-4.1.3-1).

use portcullis_database::{Database, DatabaseError, Transaction, Verdict, decide, on, verdict};
use portcullis_oauth::{
    ClientId, CodeChallenge, GrantId, JwkThumbprint, PrincipalId, ResourceUri, ScopeSet, Secret, SecretHash,
    SecretKind, Timestamp,
};

use super::grant_ends::sweep_with_grants;
use super::minted::{MintedAccess, MintedRefresh, access_token, refresh_token};
use crate::attempt::AttemptId;
use crate::settings::{CODE_ATTEMPTS, CODE_LIFE};

/// A code to be given out.
#[derive(Debug)]
pub(crate) struct NewCode<'a> {
    pub(crate) grant: &'a GrantId,
    pub(crate) redirect_uri: &'a str,
    pub(crate) code_challenge: &'a CodeChallenge,
    pub(crate) resource: &'a ResourceUri,
    pub(crate) nonce: Option<&'a str>,
    /// The key that its redeemer must prove to hold (RFC 9449 §10).
    pub(crate) dpop_jkt: Option<&'a JwkThumbprint>,
}

/// A code with what its grant says, as the token endpoint judges it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct CodeRow {
    pub(crate) hash: SecretHash,
    pub(crate) grant_id: GrantId,
    pub(crate) client_id: ClientId,
    pub(crate) principal_id: PrincipalId,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: CodeChallenge,
    pub(crate) dpop_jkt: Option<JwkThumbprint>,
    pub(crate) resource: ResourceUri,
    pub(crate) nonce: Option<String>,
    pub(crate) scopes: ScopeSet,
    pub(crate) may_refresh: bool,
    pub(crate) expires_at: Timestamp,
    pub(crate) failed_attempts: i64,
    pub(crate) redeemed_at: Option<Timestamp>,
    pub(crate) grant_revoked_at: Option<Timestamp>,
    pub(crate) user_disabled_at: Option<Timestamp>,
    pub(crate) attempt: Option<AttemptId>,
}

impl CodeRow {
    /// Whether its user and its grant are still there and its time and its attempts are not used up.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
            && self.failed_attempts < CODE_ATTEMPTS
            && self.grant_revoked_at.is_none()
            && self.user_disabled_at.is_none()
    }
}

/// What a code gives to whoever redeems it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redemption<'a> {
    pub(crate) code: &'a SecretHash,
    pub(crate) grant: &'a GrantId,
    pub(crate) access: MintedAccess<'a>,
    pub(crate) refresh: Option<MintedRefresh<'a>>,
}

/// The one statement whose row says who redeemed the code (OA21-4.1.3-1).
macro_rules! redeemed {
    () => {
        "UPDATE authorization_code SET redeemed_at = $2 WHERE hash = $1 AND redeemed_at IS NULL RETURNING hash"
    };
}

/// The codes of this server.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    database: Database,
}

impl Codes {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(crate) async fn find(&self, code: &Secret) -> Result<Option<CodeRow>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT a.hash, a.grant_id, g.client_id, g.principal_id, a.redirect_uri, a.code_challenge, a.dpop_jkt, a.resource, a.nonce, \
             r.scopes, g.may_refresh, a.expires_at, a.failed_attempts, a.redeemed_at, \
             g.revoked_at AS grant_revoked_at, u.disabled_at AS user_disabled_at, g.attempt \
             FROM authorization_code a JOIN oauth_grant g ON g.id = a.grant_id \
             JOIN grant_resource r ON r.grant_id = a.grant_id AND r.resource = a.resource \
             LEFT JOIN user_account u ON u.principal_id = g.principal_id WHERE a.hash = $1"
        )
        .bind(code.hash())
        .fetch_optional(pool)
        .await
        })?)
    }

    /// Redeems a code and writes what it gives, all or nothing: `true` for the one caller, of however many, that gets
    /// its tokens.
    pub(crate) async fn redeem(&self, gift: &Redemption<'_>, now: Timestamp) -> Result<bool, DatabaseError> {
        const ALONE: Verdict = verdict!(redeemed!(), access: access_token!("$3, $4, $5, $6, $2, $7, $8"));
        const RENEWABLE: Verdict = verdict!(
            redeemed!(),
            access: access_token!("$3, $4, $5, $6, $2, $7, $8"),
            refresh: refresh_token!("$9, $4, $5, $10, $11, $12"),
        );
        let access = gift.access;
        macro_rules! bound {
            ($query:ident) => {
                $query
                    .bind(gift.code)
                    .bind(now)
                    .bind(access.token.hash())
                    .bind(gift.grant)
                    .bind(access.resource)
                    .bind(access.scope)
                    .bind(access.expires_at)
                    .bind(access.bound_to)
            };
        }
        match gift.refresh {
            None => decide!(self.database, ALONE, |query| bound!(query)),
            Some(refresh) => decide!(self.database, RENEWABLE, |query| bound!(query)
                .bind(refresh.token.hash())
                .bind(refresh.idle_expires_at)
                .bind(refresh.expires_at)
                .bind(refresh.bound_to)),
        }
    }

    /// Counts a wrong verifier; the code itself stays (DC-20).
    pub(crate) async fn count_failure(&self, code: &SecretHash) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE authorization_code SET failed_attempts = failed_attempts + 1 WHERE hash = $1"
        )
        .bind(code)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Deletes codes a day after they expired: until then a replay is recognised and ends what the code gave.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        const SQL: &str = "DELETE FROM authorization_code WHERE hash IN \
             (SELECT hash FROM authorization_code WHERE expires_at < $1 LIMIT 500) RETURNING grant_id";
        sweep_with_grants(&self.database, SQL, before).await
    }
}

/// Gives out a code inside the transaction that made its grant.
pub(crate) async fn create_in(
    transaction: &mut Transaction,
    new: &NewCode<'_>,
    now: Timestamp,
) -> Result<Secret, DatabaseError> {
    let code = Secret::generate(SecretKind::AuthorizationCode);
    on!(transaction.on(), |connection| {
        sqlx::query(
        "INSERT INTO authorization_code (hash, grant_id, redirect_uri, code_challenge, resource, expires_at, failed_attempts, \
         nonce, dpop_jkt) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)"
    )
    .bind(code.hash())
    .bind(new.grant)
    .bind(new.redirect_uri)
    .bind(new.code_challenge)
    .bind(new.resource)
    .bind(now.plus(CODE_LIFE))
    .bind(new.nonce)
    .bind(new.dpop_jkt)
    .execute(connection)
    .await
    .map(drop)
    })?;
    Ok(code)
}
