//! What clients were granted for connections, which are the resource server's: how it ends with a name or a connection,
//! and how a client gets one that was added later.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{ClientMetadata, Clock, ConnectionId, GrantId, PrincipalId, ResourceUri, Timestamp};

/// Why a grant ended, for its row and for the paper trail.
const BECAUSE: &str = "connection_ended";

/// A live grant that reaches connections by name, as its owner is asked about it.
#[derive(Clone, Debug)]
pub struct ConnectionClient {
    /// The grant.
    pub grant: GrantId,
    /// The name that its client goes by.
    pub client_name: String,
    /// Whether nobody vouches for that name.
    pub unverified: bool,
    /// Where its answers went.
    pub redirect_host: String,
    /// Whether it reaches the connection that was asked about.
    pub reaches: bool,
    /// Whether it reaches every connection, also those added later.
    pub reaches_all: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: GrantId,
    metadata: String,
    origin: String,
    redirect_host: String,
    reached: Option<ConnectionId>,
    all_connections: bool,
}

/// The part of grants that concerns connections. Cheap to clone.
#[derive(Clone)]
pub struct ConnectionGrants {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ConnectionGrants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionGrants")
    }
}

impl ConnectionGrants {
    /// The grants kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        Self { database, changes, clock }
    }

    /// Ends what was granted for `principal`'s resource, the one of a connection's name: its tokens are dead when this
    /// returns, and a grant of nothing else ends as a whole. With a connection that is gone, no grant names it any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end(
        &self,
        principal: &PrincipalId,
        resource: &ResourceUri,
        gone: Option<&ConnectionId>,
    ) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let grants: Vec<(GrantId,)> = on!(transaction.on(), |connection| {
            sqlx::query_as(
                "SELECT g.id FROM oauth_grant g JOIN grant_resource r ON r.grant_id = g.id \
                 WHERE g.principal_id = $1 AND r.resource = $2",
            )
            .bind(principal)
            .bind(resource)
            .fetch_all(connection)
            .await
        })?;
        end_in(&mut transaction, (principal, resource), now).await?;
        if let Some(gone) = gone {
            on!(transaction.on(), |connection| sqlx::query(
                "DELETE FROM grant_connection WHERE connection_id = $1"
            )
            .bind(gone)
            .execute(connection)
            .await
            .map(drop))?;
        }
        let changes: Vec<Change> =
            grants.iter().map(|(grant,)| Change::new(ChangeKind::Grant, grant.as_str())).collect();
        for change in &changes {
            transaction.record_change(change, now).await?;
        }
        if !changes.is_empty() {
            let event = Event::new(now, Action::Revocation, Outcome::Done).because(BECAUSE).by(principal);
            let detail = serde_json::json!({ "resource": resource, "grants": changes.len() });
            portcullis_audit::record_in(&mut transaction, event.with(detail)).await?;
        }
        transaction.commit().await?;
        changes.iter().for_each(|change| self.changes.publish(change));
        Ok(())
    }

    /// The live grants of `principal` for `aggregate`, each with whether it reaches `connection`; by the client's name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn clients(
        &self,
        principal: &PrincipalId,
        aggregate: &ResourceUri,
        connection: &ConnectionId,
    ) -> Result<Vec<ConnectionClient>, DatabaseError> {
        let rows: Vec<Row> = on!(self.database.read(), |pool| {
            sqlx::query_as(
                "SELECT g.id, COALESCE(g.client_metadata, c.metadata) AS metadata, c.origin, g.redirect_host, \
                 g.all_connections, n.connection_id AS reached FROM oauth_grant g \
                 JOIN oauth_client c ON c.id = g.client_id \
                 JOIN grant_resource r ON r.grant_id = g.id AND r.resource = $2 \
                 LEFT JOIN grant_connection n ON n.grant_id = g.id AND n.connection_id = $3 \
                 WHERE g.principal_id = $1 AND g.revoked_at IS NULL AND (EXISTS \
                 (SELECT 1 FROM access_token t WHERE t.grant_id = g.id) OR EXISTS \
                 (SELECT 1 FROM refresh_token t WHERE t.grant_id = g.id))",
            )
            .bind(principal)
            .bind(aggregate)
            .bind(connection)
            .fetch_all(pool)
            .await
        })?;
        let mut clients: Vec<ConnectionClient> = rows.into_iter().map(Row::client).collect();
        clients.sort_by(|one, other| (&one.client_name, &one.grant).cmp(&(&other.client_name, &other.grant)));
        Ok(clients)
    }

    /// Lets a live grant of `principal` reach a connection of theirs, or no longer. `false` when there is no such grant,
    /// or nothing changed. That the connection is theirs is the caller's to know.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_reach(
        &self,
        principal: &PrincipalId,
        (grant, connection): (&GrantId, &ConnectionId),
        reaches: bool,
    ) -> Result<bool, DatabaseError> {
        const GIVE: &str = "INSERT INTO grant_connection (grant_id, connection_id) SELECT id, $3 FROM oauth_grant \
             WHERE id = $2 AND principal_id = $1 AND revoked_at IS NULL ON CONFLICT DO NOTHING RETURNING grant_id";
        const TAKE: &str = "DELETE FROM grant_connection WHERE grant_id = $2 AND connection_id = $3 AND EXISTS \
             (SELECT 1 FROM oauth_grant g WHERE g.id = $2 AND g.principal_id = $1) RETURNING grant_id";
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let changed: Option<(GrantId,)> =
            on!(transaction.on(), |executor| sqlx::query_as(if reaches { GIVE } else { TAKE })
                .bind(principal)
                .bind(grant)
                .bind(connection)
                .fetch_optional(executor)
                .await)?;
        if changed.is_none() {
            return Ok(false);
        }
        let because = if reaches { "connection_given" } else { "connection_taken" };
        let event = Event::new(now, Action::Consent, Outcome::Done).because(because).by(principal);
        let detail = serde_json::json!({ "grant": grant });
        portcullis_audit::record_in(&mut transaction, event.at_connection(connection).with(detail)).await?;
        let change = Change::new(ChangeKind::Grant, grant.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(true)
    }
}

impl Row {
    fn client(self) -> ConnectionClient {
        let metadata: Option<ClientMetadata> = serde_json::from_str(&self.metadata).ok();
        ConnectionClient {
            client_name: metadata.map_or_else(|| self.id.to_string(), |metadata| metadata.client_name),
            grant: self.id,
            unverified: self.origin != "admin",
            redirect_host: self.redirect_host,
            reaches: self.all_connections || self.reached.is_some(),
            reaches_all: self.all_connections,
        }
    }
}

/// Tokens for the resource end; a grant that also reaches others keeps those.
async fn end_in(
    transaction: &mut Transaction,
    (principal, resource): (&PrincipalId, &ResourceUri),
    now: Timestamp,
) -> Result<(), DatabaseError> {
    const TOKENS: &str = "UPDATE access_token SET revoked_at = $3 WHERE resource = $2 AND revoked_at IS NULL \
         AND grant_id IN (SELECT id FROM oauth_grant WHERE principal_id = $1)";
    const GRANTS: &str = "UPDATE oauth_grant SET revoked_at = $3, revoked_because = 'connection_ended' \
         WHERE principal_id = $1 AND revoked_at IS NULL AND id IN (SELECT grant_id FROM grant_resource WHERE resource = $2) \
         AND NOT EXISTS (SELECT 1 FROM grant_resource r WHERE r.grant_id = oauth_grant.id AND r.resource <> $2)";
    for sql in [TOKENS, GRANTS] {
        on!(transaction.on(), |connection| sqlx::query(sql)
            .bind(principal)
            .bind(resource)
            .bind(now)
            .execute(connection)
            .await
            .map(drop))?;
    }
    on!(transaction.on(), |connection| sqlx::query(
        "DELETE FROM grant_resource WHERE resource = $2 AND grant_id IN \
         (SELECT id FROM oauth_grant WHERE principal_id = $1)"
    )
    .bind(principal)
    .bind(resource)
    .execute(connection)
    .await
    .map(drop))?;
    Ok(())
}
