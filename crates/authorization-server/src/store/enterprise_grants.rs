//! `enterprise_grant`: what an identity provider vouched for, one standing grant for a user, a client and a resource. A token
//! is one statement on a grant that stands. A grant that its user ended stays, and lets nothing begin in its place until
//! the user says so.

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{ClientId, ClientMetadata, GrantId, PrincipalId, ResourceUri, ScopeSet, Timestamp};

use super::grants::{self, NewGrant};
use super::minted::MintedAccess;
use super::targets::Targets;
use super::trusted_issuers::IssuerId;

/// Why a user's grant ended when the user ended it; what makes it a refusal of the next assertion too.
pub(crate) const ENDED_BY_USER: &str = "user_disconnected";

/// For whom, through whom and where somebody vouches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vouched<'a> {
    pub(crate) principal: &'a PrincipalId,
    pub(crate) client: &'a ClientId,
    pub(crate) resource: &'a ResourceUri,
    pub(crate) issuer: &'a IssuerId,
}

/// What stands of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing, or nothing that lives.
    Nothing,
    /// A live grant that covers these scopes.
    Grant(GrantId, ScopeSet),
    /// The user wants none of it.
    Refused,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: GrantId,
    scopes: Option<ScopeSet>,
    revoked_at: Option<Timestamp>,
    revoked_because: Option<String>,
}

/// A client that a user ended, though the user's organisation vouched for it.
#[derive(Clone, Debug)]
pub struct RefusedClient {
    /// The grant that ended.
    pub grant: GrantId,
    /// The name that the client goes by.
    pub client_name: String,
    /// Who vouched for it.
    pub issuer: String,
    /// What it reached.
    pub resource: ResourceUri,
}

/// The standing grants of this server.
#[derive(Clone, Debug)]
pub(crate) struct EnterpriseGrants {
    database: Database,
}

impl EnterpriseGrants {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// What stands.
    pub(crate) async fn find(&self, vouched: Vouched<'_>) -> Result<Standing, DatabaseError> {
        let row: Option<Row> = on!(self.database.read(), |pool| {
            sqlx::query_as(
                    "SELECT g.id, r.scopes, g.revoked_at, g.revoked_because FROM enterprise_grant e \
                     JOIN oauth_grant g ON g.id = e.grant_id \
                     LEFT JOIN grant_resource r ON r.grant_id = g.id AND r.resource = e.resource \
                     WHERE e.principal_id = $1 AND e.client_id = $2 AND e.resource = $3 AND e.issuer = $4 AND e.tenant = $5",
                )
                .bind(vouched.principal)
                .bind(vouched.client)
                .bind(vouched.resource)
                .bind(&vouched.issuer.issuer)
                .bind(&vouched.issuer.tenant)
                .fetch_optional(pool)
                .await
        })?;
        Ok(match row {
            Some(row) if row.revoked_because.as_deref() == Some(ENDED_BY_USER) => Standing::Refused,
            Some(Row { id, scopes: Some(scopes), revoked_at: None, .. }) => Standing::Grant(id, scopes),
            // Whom the user keeps away from one resource does not begin anew at another.
            _ if self.is_kept_away(vouched).await? => Standing::Refused,
            _ => Standing::Nothing,
        })
    }

    async fn is_kept_away(&self, vouched: Vouched<'_>) -> Result<bool, DatabaseError> {
        let ended: Option<(GrantId,)> = on!(self.database.read(), |pool| {
            sqlx::query_as(
                "SELECT g.id FROM enterprise_grant e JOIN oauth_grant g ON g.id = e.grant_id \
                 WHERE e.principal_id = $1 AND e.client_id = $2 AND g.revoked_because = $3 LIMIT 1",
            )
            .bind(vouched.principal)
            .bind(vouched.client)
            .bind(ENDED_BY_USER)
            .fetch_optional(pool)
            .await
        })?;
        Ok(ended.is_some())
    }

    /// Lets a grant stand, unless a live one does already, or the user ended the last one.
    pub(crate) async fn let_stand(
        &self,
        vouched: Vouched<'_>,
        (scopes, metadata): (&ScopeSet, &ClientMetadata),
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let new = NewGrant {
            principal: vouched.principal,
            client: vouched.client,
            redirect_host: "",
            targets: &Targets::one(vouched.resource.clone(), scopes.clone()),
            // Nobody was asked which: what the user has there, the organisation's word reaches.
            connections: None,
            may_refresh: false,
            metadata,
            attempt: None,
        };
        let mut transaction = self.database.begin().await?;
        let grant = grants::create_in(&mut transaction, &new, now).await?;
        let stands: Option<(GrantId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
                "INSERT INTO enterprise_grant (principal_id, client_id, resource, issuer, tenant, grant_id) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (principal_id, client_id, resource, issuer, tenant) \
                 DO UPDATE SET grant_id = excluded.grant_id WHERE EXISTS (SELECT 1 FROM oauth_grant g \
                 WHERE g.id = enterprise_grant.grant_id AND g.revoked_at IS NOT NULL AND g.revoked_because <> $7) \
                 RETURNING grant_id",
            )
            .bind(vouched.principal)
            .bind(vouched.client)
            .bind(vouched.resource)
            .bind(&vouched.issuer.issuer)
            .bind(&vouched.issuer.tenant)
            .bind(&grant)
            .bind(ENDED_BY_USER)
            .fetch_optional(connection)
            .await
        })?;
        if stands.is_some() {
            let event = Event::new(now, Action::Consent, Outcome::Done).because("organisation_vouched");
            let detail = serde_json::json!({"issuer": vouched.issuer.issuer, "resource": vouched.resource, "scope": scopes});
            let event = event.by(vouched.principal).through(vouched.client).with(detail);
            portcullis_audit::record_in(&mut transaction, event).await?;
            transaction.commit().await?;
        }
        // Otherwise somebody was faster, and nothing of ours remains.
        Ok(())
    }

    /// Lets a grant cover further scopes, so that its user reads what was given.
    pub(crate) async fn widen(
        &self,
        (grant, resource): (&GrantId, &ResourceUri),
        scopes: &ScopeSet,
    ) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        // Written as it is, the row is ours until the end: of two who widen it, neither loses what the other gave.
        let held: Option<(ScopeSet,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE grant_resource SET scopes = scopes WHERE grant_id = $1 AND resource = $2 RETURNING scopes"
        )
        .bind(grant)
        .bind(resource)
        .fetch_optional(connection)
        .await
        })?;
        if let Some((covered,)) = held {
            on!(transaction.on(), |connection| sqlx::query(
                "UPDATE grant_resource SET scopes = $3 WHERE grant_id = $1 AND resource = $2"
            )
            .bind(grant)
            .bind(resource)
            .bind(covered.union(scopes))
            .execute(connection)
            .await
            .map(drop))?;
        }
        transaction.commit().await
    }

    /// Mints a token of the grant that stands. `false`: it has been ended.
    pub(crate) async fn mint(
        &self,
        vouched: Vouched<'_>,
        access: &MintedAccess<'_>,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let minted: Option<(GrantId,)> = on!(self.database.write(), |pool| {
            sqlx::query_as(
                "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at, dpop_jkt) \
                 SELECT $1, g.id, e.resource, $7, $8, $9, $10 FROM enterprise_grant e JOIN oauth_grant g ON g.id = e.grant_id \
                 WHERE e.principal_id = $2 AND e.client_id = $3 AND e.resource = $4 AND e.issuer = $5 AND e.tenant = $6 \
                 AND g.revoked_at IS NULL RETURNING grant_id",
            )
            .bind(access.token.hash())
            .bind(vouched.principal)
            .bind(vouched.client)
            .bind(vouched.resource)
            .bind(&vouched.issuer.issuer)
            .bind(&vouched.issuer.tenant)
            .bind(access.scope)
            .bind(now)
            .bind(access.expires_at)
            .bind(access.bound_to)
            .fetch_optional(pool)
            .await
        })?;
        Ok(minted.is_some())
    }

    /// The clients that a user ended and that may not come back by themselves.
    pub(crate) async fn refused(&self, principal: &PrincipalId) -> Result<Vec<RefusedClient>, DatabaseError> {
        let rows: Vec<(GrantId, ClientId, String, String, ResourceUri)> = on!(
            self.database.read(),
            |pool| {
                sqlx::query_as(
                "SELECT g.id, g.client_id, COALESCE(g.client_metadata, c.metadata), e.issuer, e.resource FROM enterprise_grant e \
                 JOIN oauth_grant g ON g.id = e.grant_id JOIN oauth_client c ON c.id = g.client_id \
                 WHERE e.principal_id = $1 AND g.revoked_because = $2 ORDER BY g.revoked_at DESC, g.id",
            )
            .bind(principal)
            .bind(ENDED_BY_USER)
            .fetch_all(pool)
            .await
            }
        )?;
        let named = |(grant, client, metadata, issuer, resource): (
            GrantId,
            ClientId,
            String,
            String,
            ResourceUri,
        )| {
            let metadata: Option<ClientMetadata> = serde_json::from_str(&metadata).ok();
            let client_name = metadata.map_or_else(|| client.to_string(), |metadata| metadata.client_name);
            RefusedClient { grant, client_name, issuer, resource }
        };
        Ok(rows.into_iter().map(named).collect())
    }

    /// Lets a client that the user ended come back at its next assertion. `false` when this user ended no such grant.
    pub(crate) async fn forgive(
        &self,
        principal: &PrincipalId,
        grant: &GrantId,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let found: Option<(ClientId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
                "DELETE FROM enterprise_grant WHERE grant_id = $1 AND principal_id = $2 AND EXISTS \
                 (SELECT 1 FROM oauth_grant g WHERE g.id = $1 AND g.revoked_because = $3) RETURNING client_id",
            )
            .bind(grant)
            .bind(principal)
            .bind(ENDED_BY_USER)
            .fetch_optional(connection)
            .await
        })?;
        let Some((client,)) = found else { return Ok(false) };
        let event = Event::new(now, Action::Consent, Outcome::Done).because("user_allowed_again");
        portcullis_audit::record_in(&mut transaction, event.by(principal).through(&client)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Ends what an issuer vouched for, of one user or of all, inside the transaction that holds the reason for it. A later
/// word of the issuer begins anew, but for what the user keeps away.
pub(super) async fn end_in(
    transaction: &mut Transaction,
    (issuer, user): (&IssuerId, Option<&PrincipalId>),
    because: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    const END: &str = "UPDATE oauth_grant SET revoked_at = $3, revoked_because = $4 WHERE revoked_at IS NULL AND id IN \
         (SELECT grant_id FROM enterprise_grant WHERE issuer = $1 AND tenant = $2 \
         AND (CAST($5 AS TEXT) IS NULL OR principal_id = $5)) RETURNING id";
    let ended: Vec<(GrantId,)> = on!(transaction.on(), |connection| sqlx::query_as(END)
        .bind(&issuer.issuer)
        .bind(&issuer.tenant)
        .bind(now)
        .bind(because)
        .bind(user)
        .fetch_all(connection)
        .await)?;
    for (grant,) in ended {
        transaction.record_change(&Change::new(ChangeKind::Grant, grant.as_str()), now).await?;
    }
    on!(transaction.on(), |connection| {
        sqlx::query(
        "DELETE FROM enterprise_grant WHERE issuer = $1 AND tenant = $2 AND (CAST($3 AS TEXT) IS NULL OR principal_id = $3) \
         AND NOT EXISTS (SELECT 1 FROM oauth_grant g WHERE g.id = enterprise_grant.grant_id AND g.revoked_because = $4)"
    )
    .bind(&issuer.issuer)
    .bind(&issuer.tenant)
    .bind(user)
    .bind(ENDED_BY_USER)
    .execute(connection)
    .await
    .map(drop)
    })?;
    Ok(())
}
