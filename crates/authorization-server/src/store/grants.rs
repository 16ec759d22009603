//! `oauth_grant` with its resources and connections: what one principal allowed one client.

use std::collections::HashMap;

use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{
    ClientId, ClientMetadata, ConnectionId, GrantId, PrincipalId, ResourceUri, ScopeSet, Timestamp,
};

use super::targets::Targets;
use crate::attempt::AttemptId;

/// A grant to be made.
#[derive(Debug)]
pub(crate) struct NewGrant<'a> {
    pub(crate) principal: &'a PrincipalId,
    pub(crate) client: &'a ClientId,
    pub(crate) redirect_host: &'a str,
    /// The resources that it reaches, each with what may be done there.
    pub(crate) targets: &'a Targets,
    /// `None`: all of them, also those added later.
    pub(crate) connections: Option<&'a [ConnectionId]>,
    pub(crate) may_refresh: bool,
    /// What the client was when it was given: what it becomes later changes nothing of it (A37).
    pub(crate) metadata: &'a ClientMetadata,
    /// The attempt in which it was given.
    pub(crate) attempt: Option<&'a AttemptId>,
}

/// A live grant, as its owner is told of it.
#[derive(Clone, Debug)]
pub struct GrantSummary {
    /// The grant.
    pub id: GrantId,
    /// The client that has it.
    pub client_id: ClientId,
    /// The name that the client goes by.
    pub client_name: String,
    /// Whether nobody vouches for that name.
    pub unverified: bool,
    /// Where its answers went.
    pub redirect_host: String,
    /// The resources that it reaches, each with its scopes.
    pub resources: Vec<(ResourceUri, ScopeSet)>,
    /// When it was given.
    pub created_at: Timestamp,
    /// When one of its tokens was issued last.
    pub last_used_at: Option<Timestamp>,
    /// When its refresh tokens end in any case; none when it has none.
    pub ends_at: Option<Timestamp>,
    /// The identity provider that vouched for it, where nobody was asked.
    pub vouched_by: Option<String>,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    id: GrantId,
    client_id: ClientId,
    metadata: String,
    origin: String,
    redirect_host: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    vouched_by: Option<String>,
}

/// Whether a revocation ended a live grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// It was live until now.
    Now,
    /// It was dead before, or never was.
    Before,
}

/// The grants of this server.
#[derive(Clone, Debug)]
pub struct Grants {
    database: Database,
}

impl Grants {
    /// The grants kept in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The live grants of a principal whose code was redeemed, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self, principal: &PrincipalId) -> Result<Vec<GrantSummary>, DatabaseError> {
        let rows: Vec<SummaryRow> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT g.id, g.client_id, COALESCE(g.client_metadata, c.metadata) AS metadata, c.origin, g.redirect_host, g.created_at, \
             (SELECT MAX(COALESCE(t.used_at, t.issued_at)) FROM access_token t WHERE t.grant_id = g.id) AS last_used_at, \
             (SELECT MAX(r.expires_at) FROM refresh_token r WHERE r.grant_id = g.id) AS ends_at, \
             (SELECT e.issuer FROM enterprise_grant e WHERE e.grant_id = g.id) AS vouched_by \
             FROM oauth_grant g JOIN oauth_client c ON c.id = g.client_id \
             WHERE g.principal_id = $1 AND g.revoked_at IS NULL AND (EXISTS \
             (SELECT 1 FROM access_token t WHERE t.grant_id = g.id) OR EXISTS \
             (SELECT 1 FROM refresh_token r WHERE r.grant_id = g.id) OR EXISTS \
             (SELECT 1 FROM enterprise_grant e WHERE e.grant_id = g.id)) ORDER BY g.created_at DESC, g.id"
        )
        .bind(principal)
        .fetch_all(pool)
        .await
        })?;
        let resources: Vec<(GrantId, ResourceUri, ScopeSet)> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT r.grant_id, r.resource, r.scopes FROM grant_resource r JOIN oauth_grant g ON g.id = r.grant_id \
             WHERE g.principal_id = $1 AND g.revoked_at IS NULL"
        )
        .bind(principal)
        .fetch_all(pool)
        .await
        })?;
        let mut by_grant: HashMap<GrantId, Vec<(ResourceUri, ScopeSet)>> = HashMap::new();
        for (grant, resource, scopes) in resources {
            by_grant.entry(grant).or_default().push((resource, scopes));
        }
        Ok(rows.into_iter().map(|row| row.summary(&mut by_grant)).collect())
    }

    /// Whether the grant is this principal's.
    pub(crate) async fn is_of(
        &self,
        principal: &PrincipalId,
        grant: &GrantId,
    ) -> Result<bool, DatabaseError> {
        let owned: Option<(GrantId,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT id FROM oauth_grant WHERE id = $1 AND principal_id = $2"
        )
        .bind(grant)
        .bind(principal)
        .fetch_optional(pool)
        .await)?;
        Ok(owned.is_some())
    }

    /// The scopes that a grant gave for `resource`; `None` when it does not reach it.
    pub(crate) async fn scopes(
        &self,
        grant: &GrantId,
        resource: &ResourceUri,
    ) -> Result<Option<ScopeSet>, DatabaseError> {
        let row: Option<(ScopeSet,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT scopes FROM grant_resource WHERE grant_id = $1 AND resource = $2"
        )
        .bind(grant)
        .bind(resource)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(|(scopes,)| scopes))
    }

    /// Revokes a grant: its codes, access tokens and refresh family are dead from here on.
    pub(crate) async fn revoke(
        &self,
        grant: &GrantId,
        because: &'static str,
        now: Timestamp,
    ) -> Result<Revoked, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let revoked: Option<(GrantId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE oauth_grant SET revoked_at = $2, revoked_because = $3 WHERE id = $1 AND revoked_at IS NULL RETURNING id"
        )
        .bind(grant)
        .bind(now)
        .bind(because)
        .fetch_optional(connection)
        .await
        })?;
        if revoked.is_none() {
            return Ok(Revoked::Before);
        }
        transaction.record_change(&Change::new(ChangeKind::Grant, grant.as_str()), now).await?;
        transaction.commit().await?;
        Ok(Revoked::Now)
    }
}

impl SummaryRow {
    fn summary(self, resources: &mut HashMap<GrantId, Vec<(ResourceUri, ScopeSet)>>) -> GrantSummary {
        let metadata: Option<ClientMetadata> = serde_json::from_str(&self.metadata).ok();
        GrantSummary {
            resources: resources.remove(&self.id).unwrap_or_default(),
            client_name: metadata.map_or_else(|| self.client_id.to_string(), |metadata| metadata.client_name),
            unverified: self.origin != "admin",
            id: self.id,
            client_id: self.client_id,
            redirect_host: self.redirect_host,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            ends_at: self.ends_at,
            vouched_by: self.vouched_by,
        }
    }
}

/// Writes a grant inside a transaction, and marks its client as one that completed a consent.
pub(crate) async fn create_in(
    transaction: &mut Transaction,
    new: &NewGrant<'_>,
    now: Timestamp,
) -> Result<GrantId, DatabaseError> {
    let id = GrantId::generate();
    let encode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Encode(Box::new(error)));
    let metadata = serde_json::to_string(new.metadata).map_err(encode)?;
    on!(transaction.on(), |connection| {
        sqlx::query(
        "INSERT INTO oauth_grant (id, principal_id, client_id, redirect_host, all_connections, may_refresh, created_at, \
         client_metadata, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    .bind(&id)
    .bind(new.principal)
    .bind(new.client)
    .bind(new.redirect_host)
    .bind(new.connections.is_none())
    .bind(new.may_refresh)
    .bind(now)
    .bind(&metadata)
    .bind(new.attempt)
    .execute(connection)
    .await
    .map(drop)
    })?;
    for target in new.targets.iter() {
        on!(transaction.on(), |connection| sqlx::query(
            "INSERT INTO grant_resource (grant_id, resource, scopes) VALUES ($1, $2, $3)"
        )
        .bind(&id)
        .bind(&target.resource)
        .bind(&target.scope)
        .execute(connection)
        .await
        .map(drop))?;
    }
    for connection_id in new.connections.unwrap_or_default() {
        on!(transaction.on(), |connection| sqlx::query(
            "INSERT INTO grant_connection (grant_id, connection_id) VALUES ($1, $2)"
        )
        .bind(&id)
        .bind(connection_id)
        .execute(connection)
        .await
        .map(drop))?;
    }
    on!(transaction.on(), |connection| sqlx::query(
        "UPDATE oauth_client SET consented_at = $2 WHERE id = $1 AND consented_at IS NULL"
    )
    .bind(new.client)
    .bind(now)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(id)
}

/// Revokes every live grant of a principal or of a client, inside the transaction that holds the reason for it.
pub(crate) async fn revoke_all_in(
    transaction: &mut Transaction,
    (column, value): (&'static str, &str),
    because: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let sql = match column {
        "client_id" => {
            "UPDATE oauth_grant SET revoked_at = $2, revoked_because = $3 WHERE client_id = $1 AND revoked_at IS NULL"
        }
        _ => {
            "UPDATE oauth_grant SET revoked_at = $2, revoked_because = $3 WHERE principal_id = $1 AND revoked_at IS NULL"
        }
    };
    on!(transaction.on(), |connection| sqlx::query(sql)
        .bind(value)
        .bind(now)
        .bind(because)
        .execute(connection)
        .await
        .map(drop))?;
    Ok(())
}
