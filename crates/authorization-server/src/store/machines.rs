//! `machine_account` and `machine_grant`: clients that act for themselves. A token is one statement on a grant that stands.

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{ClientId, GrantId, PrincipalId, PrincipalKind, ScopeSet, Timestamp};

use super::grants::{self, NewGrant};
use super::minted::MintedAccess;

/// The machines of this server.
#[derive(Clone, Debug)]
pub(crate) struct Machines {
    database: Database,
}

impl Machines {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Mints a token of the machine's standing grant. `false`: no live grant stands for this resource.
    pub(crate) async fn mint(
        &self,
        machine: &PrincipalId,
        access: &MintedAccess<'_>,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let minted: Option<(GrantId,)> = on!(self.database.write(), |pool| {
            sqlx::query_as(
            "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at, dpop_jkt) \
             SELECT $1, g.id, s.resource, $4, $5, $6, $7 FROM machine_grant s JOIN oauth_grant g ON g.id = s.grant_id \
             WHERE s.principal_id = $2 AND s.resource = $3 AND g.revoked_at IS NULL RETURNING grant_id"
        )
        .bind(access.token.hash())
        .bind(machine)
        .bind(access.resource)
        .bind(access.scope)
        .bind(now)
        .bind(access.expires_at)
        .bind(access.bound_to)
        .fetch_optional(pool)
        .await
        })?;
        Ok(minted.is_some())
    }

    /// Lets a grant stand, unless a live one does already.
    pub(crate) async fn let_stand(&self, new: &NewGrant<'_>, now: Timestamp) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let grant = grants::create_in(&mut transaction, new, now).await?;
        let stands: Option<(GrantId,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO machine_grant (principal_id, resource, grant_id) VALUES ($1, $2, $3) \
             ON CONFLICT (principal_id, resource) DO UPDATE SET grant_id = excluded.grant_id WHERE EXISTS \
             (SELECT 1 FROM oauth_grant g WHERE g.id = machine_grant.grant_id AND g.revoked_at IS NOT NULL) \
             RETURNING grant_id"
        )
        .bind(new.principal)
        .bind(&new.targets.first.resource)
        .bind(&grant)
        .fetch_optional(connection)
        .await)?;
        if stands.is_some() {
            transaction.commit().await?;
        }
        // Otherwise somebody was faster, and nothing of ours remains.
        Ok(())
    }
}

/// Makes the machine behind a client, inside the transaction that registers it.
pub(super) async fn create_in(
    transaction: &mut Transaction,
    client: &ClientId,
    permissions: &ScopeSet,
    now: Timestamp,
) -> Result<PrincipalId, DatabaseError> {
    let id = PrincipalId::generate(PrincipalKind::Machine);
    on!(transaction.on(), |connection| sqlx::query(
        "INSERT INTO principal (id, kind, created_at) VALUES ($1, 'machine', $2)"
    )
    .bind(&id)
    .bind(now)
    .execute(connection)
    .await
    .map(drop))?;
    on!(transaction.on(), |connection| sqlx::query(
        "INSERT INTO machine_account (principal_id, client_id, permissions) VALUES ($1, $2, $3)"
    )
    .bind(&id)
    .bind(client)
    .bind(permissions)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(id)
}
