//! `refresh_token`: generations of a family, rotated by one statement whose row is the verdict.

use portcullis_database::{Database, DatabaseError, Transaction, Verdict, decide, on, verdict};
use portcullis_oauth::{
    ClientId, GrantId, JwkThumbprint, PrincipalId, ResourceUri, ScopeSet, Secret, SecretHash, SecretKind,
    Timestamp,
};

use super::grant_ends::sweep_with_grants;
use super::minted::{MintedAccess, MintedRefresh, access_token, refresh_token};
use crate::attempt::AttemptId;

/// A generation to be given out.
#[derive(Debug)]
pub(crate) struct NewRefreshToken<'a> {
    pub(crate) grant: &'a GrantId,
    /// What a refresh without `resource` is for.
    pub(crate) resource: &'a ResourceUri,
    /// Not used until then: expired.
    pub(crate) idle_expires_at: Timestamp,
    /// The end of the whole family.
    pub(crate) expires_at: Timestamp,
    /// The key without which it is worth nothing (RFC 9449 §5).
    pub(crate) bound_to: Option<&'a JwkThumbprint>,
}

/// A generation with what its grant and its successor tell.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct RefreshRow {
    pub(crate) hash: SecretHash,
    pub(crate) grant_id: GrantId,
    pub(crate) client_id: ClientId,
    pub(crate) principal_id: PrincipalId,
    pub(crate) resource: ResourceUri,
    /// What the grant gave for it.
    pub(crate) granted: Option<ScopeSet>,
    pub(crate) idle_expires_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) rotated_at: Option<Timestamp>,
    /// The key without which it is worth nothing.
    pub(crate) dpop_jkt: Option<JwkThumbprint>,
    pub(crate) successor_dpop_jkt: Option<JwkThumbprint>,
    pub(crate) access_dpop_jkt: Option<JwkThumbprint>,
    pub(crate) successor: Option<String>,
    pub(crate) successor_rotated_at: Option<Timestamp>,
    pub(crate) access_used_at: Option<Timestamp>,
    pub(crate) access_expires_at: Option<Timestamp>,
    pub(crate) access_revoked_at: Option<Timestamp>,
    pub(crate) access_resource: Option<ResourceUri>,
    pub(crate) access_scope: Option<ScopeSet>,
    pub(crate) grant_revoked_at: Option<Timestamp>,
    pub(crate) user_disabled_at: Option<Timestamp>,
    pub(crate) attempt: Option<AttemptId>,
}

/// What a rotation puts in the place of a generation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Successor<'a> {
    pub(crate) refresh: MintedRefresh<'a>,
    pub(crate) access: MintedAccess<'a>,
    /// Both, readable with the presented token alone.
    pub(crate) sealed: &'a str,
}

/// The refresh tokens of this server.
#[derive(Clone, Debug)]
pub(crate) struct RefreshTokens {
    database: Database,
}

impl RefreshTokens {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(crate) async fn find(&self, token: &SecretHash) -> Result<Option<RefreshRow>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT r.hash, r.grant_id, g.client_id, g.principal_id, r.resource, gr.scopes AS granted, \
             r.dpop_jkt, s.dpop_jkt AS successor_dpop_jkt, t.dpop_jkt AS access_dpop_jkt, \
             r.idle_expires_at, r.expires_at, r.rotated_at, r.successor, s.rotated_at AS successor_rotated_at, t.used_at AS access_used_at, \
             t.expires_at AS access_expires_at, t.revoked_at AS access_revoked_at, t.resource AS access_resource, t.scope AS access_scope, \
             g.revoked_at AS grant_revoked_at, u.disabled_at AS user_disabled_at, g.attempt \
             FROM refresh_token r JOIN oauth_grant g ON g.id = r.grant_id \
             LEFT JOIN grant_resource gr ON gr.grant_id = r.grant_id AND gr.resource = r.resource \
             LEFT JOIN refresh_token s ON s.hash = r.successor_hash LEFT JOIN access_token t ON t.hash = r.access_hash \
             LEFT JOIN user_account u ON u.principal_id = g.principal_id WHERE r.hash = $1"
        )
        .bind(token)
        .fetch_optional(pool)
        .await
        })?)
    }

    /// Rotates a generation and writes what follows it, all or nothing: `true` for the one caller, of however many, whose
    /// successor counts.
    pub(crate) async fn rotate(
        &self,
        row: &RefreshRow,
        Successor { refresh, access, sealed }: Successor<'_>,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        const ROTATED: Verdict = verdict!(
            "UPDATE refresh_token SET rotated_at = $2, successor = $3, successor_hash = $4, access_hash = $5 \
             WHERE hash = $1 AND rotated_at IS NULL RETURNING hash",
            // A refresh without `resource` is for what the first one was for.
            refresh: refresh_token!("$4, $6, $7, $8, $9, $10"),
            access: access_token!("$5, $6, $11, $12, $2, $13, $14"),
        );
        let hashes = (refresh.token.hash(), access.token.hash());
        decide!(self.database, ROTATED, |query| query
            .bind(&row.hash)
            .bind(now)
            .bind(sealed)
            .bind(&hashes.0)
            .bind(&hashes.1)
            .bind(&row.grant_id)
            .bind(&row.resource)
            .bind(refresh.idle_expires_at)
            .bind(refresh.expires_at)
            .bind(refresh.bound_to)
            .bind(access.resource)
            .bind(access.scope)
            .bind(access.expires_at)
            .bind(access.bound_to))
    }

    /// Lets a generation that is bound to a key go on, and writes the access token that was asked for with it. `false`: it
    /// is gone.
    pub(crate) async fn renew(
        &self,
        row: &RefreshRow,
        access: &MintedAccess<'_>,
        (now, idle_expires_at): (Timestamp, Timestamp),
    ) -> Result<bool, DatabaseError> {
        const RENEWED: Verdict = verdict!(
            "UPDATE refresh_token SET idle_expires_at = $2 WHERE hash = $1 AND rotated_at IS NULL RETURNING hash",
            access: access_token!("$3, $4, $5, $6, $7, $8, $9"),
        );
        decide!(self.database, RENEWED, |query| query
            .bind(&row.hash)
            .bind(idle_expires_at)
            .bind(access.token.hash())
            .bind(&row.grant_id)
            .bind(access.resource)
            .bind(access.scope)
            .bind(now)
            .bind(access.expires_at)
            .bind(access.bound_to))
    }

    /// Deletes generations of families that ended before `before`.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        const SQL: &str = "DELETE FROM refresh_token WHERE hash IN \
             (SELECT hash FROM refresh_token WHERE expires_at < $1 LIMIT 500) RETURNING grant_id";
        sweep_with_grants(&self.database, SQL, before).await
    }
}

/// Gives out a generation.
pub(crate) async fn create_in(
    transaction: &mut Transaction,
    new: &NewRefreshToken<'_>,
) -> Result<Secret, DatabaseError> {
    let token = Secret::generate(SecretKind::RefreshToken);
    on!(transaction.on(), |connection| {
        sqlx::query(
            "INSERT INTO refresh_token (hash, grant_id, resource, idle_expires_at, expires_at, dpop_jkt) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(token.hash())
        .bind(new.grant)
        .bind(new.resource)
        .bind(new.idle_expires_at)
        .bind(new.expires_at)
        .bind(new.bound_to)
        .execute(connection)
        .await
        .map(drop)
    })?;
    Ok(token)
}
