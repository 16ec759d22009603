//! `access_token`: narrow rows keyed by hash; whether a token is live is read from its grant, client and user too.

use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{
    ClientId, ConnectionId, GrantId, PrincipalId, ResourceUri, ScopeSet, Secret, SecretHash, SecretKind,
    Timestamp,
};

/// A token with all that decides whether it is live.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct TokenRow {
    pub(crate) grant_id: GrantId,
    pub(crate) client_id: ClientId,
    pub(crate) principal_id: PrincipalId,
    pub(crate) resource: ResourceUri,
    pub(crate) scope: ScopeSet,
    pub(crate) expires_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) grant_revoked_at: Option<Timestamp>,
    pub(crate) all_connections: bool,
    pub(crate) client_removed_at: Option<Timestamp>,
    pub(crate) user_disabled_at: Option<Timestamp>,
    pub(crate) permissions: Option<ScopeSet>,
}

/// The access tokens of this server.
#[derive(Clone, Debug)]
pub(crate) struct AccessTokens {
    database: Database,
}

impl AccessTokens {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(crate) async fn find(&self, token: &SecretHash) -> Result<Option<TokenRow>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT t.grant_id, g.client_id, g.principal_id, t.resource, t.scope, t.expires_at, t.used_at, t.revoked_at, \
             g.revoked_at AS grant_revoked_at, g.all_connections, c.removed_at AS client_removed_at, \
             u.disabled_at AS user_disabled_at, u.permissions FROM access_token t \
             JOIN oauth_grant g ON g.id = t.grant_id JOIN oauth_client c ON c.id = g.client_id \
             LEFT JOIN user_account u ON u.principal_id = g.principal_id WHERE t.hash = $1"
        )
        .bind(token)
        .fetch_optional(pool)
        .await
        })?)
    }

    /// The connections that a grant names.
    pub(crate) async fn connections_of(&self, grant: &GrantId) -> Result<Vec<ConnectionId>, DatabaseError> {
        let rows: Vec<(ConnectionId,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT connection_id FROM grant_connection WHERE grant_id = $1 ORDER BY connection_id"
        )
        .bind(grant)
        .fetch_all(pool)
        .await)?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Notes a token's first use: from then on its refresh token's answer was not lost (DC-15).
    pub(crate) async fn mark_used(&self, token: &SecretHash, now: Timestamp) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "UPDATE access_token SET used_at = $2 WHERE hash = $1 AND used_at IS NULL"
        )
        .bind(token)
        .bind(now)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Revokes one token.
    pub(crate) async fn revoke(&self, token: &SecretHash, now: Timestamp) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| sqlx::query(
            "UPDATE access_token SET revoked_at = $2 WHERE hash = $1 AND revoked_at IS NULL"
        )
        .bind(token)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))?;
        transaction.record_change(&Change::new(ChangeKind::Token, token.as_str()), now).await?;
        transaction.commit().await
    }

    /// Mints a token outside any other transaction: for a repeated refresh whose first access token has no life left.
    pub(crate) async fn mint(
        &self,
        grant: &GrantId,
        reach: (&ResourceUri, &ScopeSet),
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Secret, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let token = mint_in(&mut transaction, grant, reach, (now, until)).await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Deletes tokens that expired before `before`.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM access_token WHERE hash IN (SELECT hash FROM access_token WHERE expires_at < $1 LIMIT 500)";
        self.database.sweep(sql, before).await
    }
}

/// Mints a token of `grant` for one resource with these scopes.
pub(crate) async fn mint_in(
    transaction: &mut Transaction,
    grant: &GrantId,
    (resource, scope): (&ResourceUri, &ScopeSet),
    (now, until): (Timestamp, Timestamp),
) -> Result<Secret, DatabaseError> {
    let token = Secret::generate(SecretKind::AccessToken);
    on!(transaction.on(), |connection| {
        sqlx::query(
        "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(token.hash())
    .bind(grant)
    .bind(resource)
    .bind(scope)
    .bind(now)
    .bind(until)
    .execute(connection)
    .await
    .map(drop)
    })?;
    Ok(token)
}
