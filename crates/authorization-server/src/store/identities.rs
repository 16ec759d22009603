//! What a grant knows of the sign-in that it stems from: the columns `authenticated_at`, `sid` and `signed_out_at` of
//! `oauth_grant`, with the person whom they tell of.

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{GrantId, PrincipalId, ResourceUri, ScopeSet, Timestamp, scopes};
use portcullis_web::SignedIn;

/// A live grant with what may be told of its person.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct IdentityRow {
    pub(crate) principal_id: PrincipalId,
    pub(crate) name: String,
    pub(crate) email: String,
    /// What of it was ticked.
    pub(crate) scopes: ScopeSet,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) sid: Option<String>,
    signed_out_at: Option<Timestamp>,
    /// Every scope of the grant.
    granted: ScopeSet,
}

impl IdentityRow {
    /// Whether the client may learn of the person now: until they sign out (a session that merely ran out is no sign-out), and
    /// afterwards if they let it stay connected (OpenID Connect Core §11, OIDC-C-11-1).
    pub(crate) fn may_be_told(&self) -> bool {
        self.signed_out_at.is_none() || self.granted.contains(scopes::OFFLINE_ACCESS)
    }
}

/// The identities behind grants.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    database: Database,
}

impl Identities {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Of whom `grant` tells; `None` when it tells nothing, has ended, or its person is disabled.
    pub(crate) async fn find(
        &self,
        grant: &GrantId,
        userinfo: &ResourceUri,
    ) -> Result<Option<IdentityRow>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT g.principal_id, u.name, u.email, r.scopes, g.authenticated_at, g.sid, g.signed_out_at, \
             (SELECT string_agg(o.scopes, ' ') FROM grant_resource o WHERE o.grant_id = g.id) AS granted \
             FROM oauth_grant g JOIN user_account u ON u.principal_id = g.principal_id \
             JOIN grant_resource r ON r.grant_id = g.id AND r.resource = $2 \
             WHERE g.id = $1 AND g.revoked_at IS NULL AND u.disabled_at IS NULL AND g.authenticated_at IS NOT NULL"
        )
        .bind(grant)
        .bind(userinfo)
        .fetch_optional(pool)
        .await
        })?)
    }
}

/// Notes with a grant when and in which session its person signed in.
pub(crate) async fn record_sign_in_in(
    transaction: &mut Transaction,
    grant: &GrantId,
    sign_in: &SignedIn,
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query(
        "UPDATE oauth_grant SET authenticated_at = $2, sid = $3 WHERE id = $1"
    )
    .bind(grant)
    .bind(sign_in.authenticated_at)
    .bind(&sign_in.sid)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(())
}
