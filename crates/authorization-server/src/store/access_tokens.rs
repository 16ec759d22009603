//! `access_token`: narrow rows keyed by hash; whether a token is live is read from its grant, client and user too.

use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{
    Actor, ClientId, ConnectionId, GrantId, GrantedConnections, JwkThumbprint, ONE_FACTOR, PrincipalId,
    ResourceUri, ScopeSet, SecretHash, Standing, Timestamp,
};

use super::clients::ClientOrigin;
use super::grant_ends::sweep_with_grants;
use super::minted::MintedAccess;
use super::users::permitted;

/// A token with all that decides whether it is live.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct TokenRow {
    pub(crate) grant_id: GrantId,
    pub(crate) client_id: ClientId,
    pub(crate) principal_id: PrincipalId,
    pub(crate) resource: ResourceUri,
    pub(crate) scope: ScopeSet,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) grant_revoked_at: Option<Timestamp>,
    all_connections: bool,
    pub(crate) client_removed_at: Option<Timestamp>,
    pub(crate) client_disabled_at: Option<Timestamp>,
    pub(crate) user_disabled_at: Option<Timestamp>,
    permissions: Option<ScopeSet>,
    admin: Option<bool>,
    pub(crate) dpop_jkt: Option<JwkThumbprint>,
    act: Option<String>,
    connections: Option<String>,
    member_of: Option<String>,
    email: Option<String>,
    client_origin: String,
    client_has_document: bool,
    signed_in_here: bool,
}

impl TokenRow {
    /// Why the token is not live, if it is not: of a live grant, client and user (R7662-2.2-3).
    pub(crate) fn dead_because(&self, now: Timestamp) -> Option<&'static str> {
        let refusals = [
            (now >= self.expires_at, "token_expired"),
            (self.revoked_at.is_some(), "token_revoked"),
            (self.grant_revoked_at.is_some(), "grant_revoked"),
            (self.client_removed_at.is_some(), "client_removed"),
            // A token or standing grant that was being written while an admin disabled its client.
            (self.client_disabled_at.is_some(), "client_disabled"),
            (self.user_disabled_at.is_some(), "user_disabled"),
        ];
        refusals.into_iter().find(|(refused, _)| *refused).map(|(_, reason)| reason)
    }

    /// What its principal may do at our own resources: a person's administration with it, a machine's as registered.
    pub(crate) fn permissions(&self) -> ScopeSet {
        let permissions = self.permissions.clone().unwrap_or_default();
        permitted(&permissions, self.admin.unwrap_or_default())
    }

    /// The connections that its grant reaches.
    pub(crate) fn connections(&self) -> GrantedConnections {
        if self.all_connections {
            return GrantedConnections::All;
        }
        let named = self.connections.as_deref().unwrap_or_default().split(' ').filter(|id| !id.is_empty());
        let mut named: Vec<ConnectionId> = named.map(|id| ConnectionId::from(id.to_owned())).collect();
        named.sort();
        GrantedConnections::Named(named)
    }

    /// The groups of its principal, by name.
    pub(crate) fn groups(&self) -> Vec<String> {
        let names = self.member_of.as_deref().unwrap_or_default().split(' ').filter(|name| !name.is_empty());
        let mut groups: Vec<String> = names.map(str::to_owned).collect();
        groups.sort();
        groups
    }

    /// What policies may know of its principal and client.
    pub(crate) fn standing(&self) -> Standing {
        let origin = ClientOrigin::kept(&self.client_origin, self.client_has_document);
        // People sign in with a password here; what another issuer vouched for does not say how.
        let authentication = if self.signed_in_here { ONE_FACTOR } else { 0 };
        Standing { email: self.email.clone(), client: origin.standing(&self.client_id), authentication }
    }

    /// Through whom it acts (RFC 8693 §4.1).
    pub(crate) fn actor(&self) -> Result<Option<Actor>, DatabaseError> {
        let read = |text: &String| serde_json::from_str(text);
        let actor = self.act.as_ref().map(read).transpose();
        actor.map_err(|error| DatabaseError::from(sqlx::Error::Decode(Box::new(error))))
    }
}

/// A token to be minted in exchange for another one.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    /// The new one.
    pub(crate) access: MintedAccess<'a>,
    /// The token that it comes from; revoked, it takes this one along.
    pub(crate) subject: &'a SecretHash,
    pub(crate) grant: &'a GrantId,
    /// The client that gets it, when that is not the grant's.
    pub(crate) issued_to: Option<&'a ClientId>,
    pub(crate) actor: &'a Actor,
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
            "SELECT t.grant_id, c.id AS client_id, g.principal_id, t.resource, t.scope, t.issued_at, t.expires_at, \
             t.used_at, t.revoked_at, t.dpop_jkt, t.act, g.revoked_at AS grant_revoked_at, g.all_connections, \
             c.removed_at AS client_removed_at, c.disabled_at AS client_disabled_at, u.disabled_at AS user_disabled_at, \
             COALESCE(u.permissions, m.permissions) AS permissions, u.admin, \
             (SELECT string_agg(n.connection_id, ' ') FROM grant_connection n WHERE n.grant_id = g.id) AS connections, \
             (SELECT string_agg(b.group_name, ' ') FROM principal_group_member b WHERE b.principal_id = g.principal_id) \
             AS member_of, u.email, c.origin AS client_origin, c.document_read_at IS NOT NULL AS client_has_document, \
             u.principal_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM enterprise_grant e WHERE e.grant_id = g.id) \
             AS signed_in_here \
             FROM access_token t \
             JOIN oauth_grant g ON g.id = t.grant_id JOIN oauth_client c ON c.id = COALESCE(t.client_id, g.client_id) \
             LEFT JOIN user_account u ON u.principal_id = g.principal_id \
             LEFT JOIN machine_account m ON m.principal_id = g.principal_id WHERE t.hash = $1"
        )
        .bind(token)
        .fetch_optional(pool)
        .await
        })?)
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

    /// Revokes a token and every one that was exchanged for it. Gives the hashes of those that were live until now.
    pub(crate) async fn revoke(
        &self,
        token: &SecretHash,
        now: Timestamp,
    ) -> Result<Vec<SecretHash>, DatabaseError> {
        const ONE: &str =
            "UPDATE access_token SET revoked_at = $2 WHERE hash = $1 AND revoked_at IS NULL RETURNING hash";
        const DESCENDANTS: &str = "UPDATE access_token SET revoked_at = $2 WHERE revoked_at IS NULL AND hash IN \
             (WITH RECURSIVE line (hash) AS (SELECT hash FROM access_token WHERE exchanged_from = $1 \
             UNION SELECT t.hash FROM access_token t JOIN line l ON t.exchanged_from = l.hash) \
             SELECT hash FROM line) RETURNING hash";
        let mut transaction = self.database.begin().await?;
        let mut revoked = revoke_in(&mut transaction, ONE, token, now).await?;
        // An exchange locks the token that it starts from: what it commits while we wait is seen by the next turn.
        loop {
            let more = revoke_in(&mut transaction, DESCENDANTS, token, now).await?;
            if more.is_empty() {
                break;
            }
            revoked.extend(more);
        }
        for hash in &revoked {
            transaction.record_change(&Change::new(ChangeKind::Token, hash.as_str()), now).await?;
        }
        transaction.commit().await?;
        Ok(revoked)
    }

    /// Mints a token outside any other transaction: for a repeated refresh whose first access token has no life left.
    pub(crate) async fn mint(
        &self,
        grant: &GrantId,
        access: &MintedAccess<'_>,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        mint_in(&mut transaction, grant, access, now).await?;
        transaction.commit().await
    }

    /// Mints a token in exchange for another one. `false`: that one was revoked meanwhile.
    pub(crate) async fn exchange(&self, new: &Exchange<'_>, now: Timestamp) -> Result<bool, DatabaseError> {
        let encode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Encode(Box::new(error)));
        let act = serde_json::to_string(new.actor).map_err(encode)?;
        let mut transaction = self.database.begin().await?;
        // Notes the subject's use, and holds it: a revocation that comes now waits, and then finds what we wrote.
        let held: Option<(SecretHash,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
            "UPDATE access_token SET used_at = COALESCE(used_at, $2) WHERE hash = $1 AND revoked_at IS NULL \
             RETURNING hash"
        )
        .bind(new.subject)
        .bind(now)
        .fetch_optional(connection)
        .await
        })?;
        if held.is_none() {
            return Ok(false);
        }
        mint_in(&mut transaction, new.grant, &new.access, now).await?;
        on!(transaction.on(), |connection| sqlx::query(
            "UPDATE access_token SET exchanged_from = $2, act = $3, client_id = $4 WHERE hash = $1"
        )
        .bind(new.access.token.hash())
        .bind(new.subject)
        .bind(act)
        .bind(new.issued_to)
        .execute(connection)
        .await
        .map(drop))?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes tokens that expired before `before`.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        const SQL: &str = "DELETE FROM access_token WHERE hash IN \
             (SELECT hash FROM access_token WHERE expires_at < $1 LIMIT 500) RETURNING grant_id";
        sweep_with_grants(&self.database, SQL, before).await
    }
}

/// Lets a token of `grant` count for one resource with these scopes. Its hash is kept, whatever it looks like.
pub(crate) async fn mint_in(
    transaction: &mut Transaction,
    grant: &GrantId,
    access: &MintedAccess<'_>,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| {
        sqlx::query(
            "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at, dpop_jkt) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(access.token.hash())
        .bind(grant)
        .bind(access.resource)
        .bind(access.scope)
        .bind(now)
        .bind(access.expires_at)
        .bind(access.bound_to)
        .execute(connection)
        .await
        .map(drop)
    })?;
    Ok(())
}

async fn revoke_in(
    transaction: &mut Transaction,
    sql: &'static str,
    token: &SecretHash,
    now: Timestamp,
) -> Result<Vec<SecretHash>, DatabaseError> {
    let rows: Vec<(SecretHash,)> = on!(transaction.on(), |connection| sqlx::query_as(sql)
        .bind(token)
        .bind(now)
        .fetch_all(connection)
        .await)?;
    Ok(rows.into_iter().map(|(hash,)| hash).collect())
}

/// Ends what was exchanged across clients when one of the two is ended: tokens that this client got of others' grants, and
/// those that others got of its grants. Both are told of one by one, since caches know a token by its own client.
pub(super) async fn end_exchanged_in(
    transaction: &mut Transaction,
    client: &ClientId,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    const GOT: &str =
        "UPDATE access_token SET revoked_at = $2 WHERE client_id = $1 AND revoked_at IS NULL RETURNING hash";
    const GAVE: &str = "UPDATE access_token SET revoked_at = $2 WHERE client_id IS NOT NULL AND revoked_at IS NULL \
         AND grant_id IN (SELECT id FROM oauth_grant WHERE client_id = $1) RETURNING hash";
    for sql in [GOT, GAVE] {
        let rows: Vec<(SecretHash,)> = on!(transaction.on(), |connection| sqlx::query_as(sql)
            .bind(client)
            .bind(now)
            .fetch_all(connection)
            .await)?;
        for (hash,) in rows {
            transaction.record_change(&Change::new(ChangeKind::Token, hash.as_str()), now).await?;
        }
    }
    Ok(())
}
