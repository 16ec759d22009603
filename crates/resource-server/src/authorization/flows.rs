//! What a browser was sent away with. Owns the table `upstream_authorization`: a row is made by the user's own post alone,
//! belongs to that user in that browser, lives for ten minutes, and is redeemed once (SBP-4, MCP-AUTH-14).

use std::sync::Arc;

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::client::{RemoteServer, RemoteUrl};
use portcullis_oauth::{
    ClientId, Clock, CodeVerifier, ConnectionId, PrincipalId, ScopeSet, Seconds, Secret, SecretHash,
    SecretKind, Timestamp,
};
use portcullis_vault::{SealingKey, Vault, Verified};

use super::AuthorizationError;
use super::clients::UpstreamClient;
use crate::connections::Connection;

/// How long somebody may take at the other side.
const LIFE: Seconds = Seconds::minutes(10);
/// What the key is for that seals verifiers.
const KEY: &[u8] = b"portcullis upstream verifier v1";
/// So long after its end a row still tells that its browser never came back.
const REMEMBERED: Seconds = Seconds::days(1);

/// What is kept while the browser is away.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Flow {
    pub(super) connection_id: ConnectionId,
    pub(super) issuer: String,
    pub(super) promises_iss: bool,
    pub(super) token_endpoint: String,
    pub(super) client_id: ClientId,
    pub(super) redirect_uri: String,
    verifier: String,
    pub(super) resource: String,
    pub(super) scopes: ScopeSet,
}

/// What to remember besides the connection.
pub(super) struct NewFlow<'a> {
    pub(super) browser: &'a str,
    pub(super) server: &'a RemoteServer,
    pub(super) client: &'a UpstreamClient,
    pub(super) resource: &'a RemoteUrl,
    pub(super) scopes: &'a ScopeSet,
}

/// The store of flows.
#[derive(Clone, Debug)]
pub(super) struct Flows {
    database: Database,
    clock: Arc<dyn Clock>,
    key: Arc<SealingKey>,
}

impl Flows {
    pub(super) fn new(database: Database, clock: Arc<dyn Clock>, vault: &Vault) -> Self {
        Self { database, clock, key: Arc::new(vault.server_key(KEY)) }
    }

    /// Remembers a flow, in place of any other of this connection: the state and the verifier to send the browser away
    /// with.
    pub(super) async fn create(
        &self,
        connection: &Connection,
        new: &NewFlow<'_>,
    ) -> Result<(Secret, CodeVerifier), DatabaseError> {
        let (state, verifier) = (Secret::generate(SecretKind::UpstreamState), CodeVerifier::generate());
        let hash = state.hash();
        let sealed = self.key.seal(verifier.expose().as_bytes(), hash.as_str().as_bytes());
        on!(self.database.write(), |pool| {
            sqlx::query(
                "INSERT INTO upstream_authorization (state_hash, connection_id, principal_id, browser, issuer, digest, \
                 promises_iss, token_endpoint, client_id, redirect_uri, verifier, resource, scopes, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
                 ON CONFLICT (connection_id) DO UPDATE SET state_hash = $1, principal_id = $3, browser = $4, \
                 issuer = $5, digest = $6, promises_iss = $7, token_endpoint = $8, client_id = $9, \
                 redirect_uri = $10, verifier = $11, resource = $12, scopes = $13, expires_at = $14",
            )
            .bind(&hash)
            .bind(&connection.id)
            .bind(&connection.principal_id)
            .bind(browser(new.browser))
            .bind(new.server.issuer.as_str())
            .bind(new.server.issuer.digest())
            .bind(new.server.promises_iss)
            .bind(new.server.token_endpoint.as_str())
            .bind(&new.client.proof.client_id)
            .bind(&new.client.redirect_uri)
            .bind(&sealed)
            .bind(new.resource.as_str())
            .bind(new.scopes)
            .bind(self.clock.now().plus(LIFE))
            .execute(pool)
            .await
            .map(drop)
        })?;
        Ok((state, verifier))
    }

    /// Redeems a flow: for this user, in this browser, at the path of its issuer, in time, once. Nobody else's attempt
    /// spends it.
    pub(super) async fn redeem(
        &self,
        state: &Secret,
        digest: &str,
        (principal, mark): (&PrincipalId, &str),
    ) -> Result<Option<(Flow, CodeVerifier)>, AuthorizationError> {
        let hash = state.hash();
        let flow: Option<Flow> = on!(self.database.write(), |pool| {
            sqlx::query_as(
            "DELETE FROM upstream_authorization WHERE state_hash = $1 AND digest = $2 AND principal_id = $3 \
             AND browser = $4 AND expires_at > $5 RETURNING *"
        )
        .bind(&hash)
        .bind(digest)
        .bind(principal)
        .bind(browser(mark))
        .bind(self.clock.now())
        .fetch_optional(pool)
        .await
        })
        .map_err(DatabaseError::from)?;
        let Some(flow) = flow else { return Ok(None) };
        let opened = self.key.open(&flow.verifier, hash.as_str().as_bytes());
        let opened = opened.map_err(|_| AuthorizationError::Sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| AuthorizationError::Sealed)?;
        let verifier = CodeVerifier::parse(text).map_err(|_| AuthorizationError::Sealed)?;
        Ok(Some((flow, verifier)))
    }

    /// Whose connection a flow is that [`redeem`](Self::redeem) would give, which stays to be redeemed.
    pub(super) async fn connection_of(
        &self,
        state: &Secret,
        digest: &str,
        (principal, mark): (&PrincipalId, &str),
    ) -> Result<Option<ConnectionId>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_scalar(
            "SELECT connection_id FROM upstream_authorization WHERE state_hash = $1 AND digest = $2 \
             AND principal_id = $3 AND browser = $4 AND expires_at > $5"
        )
        .bind(state.hash())
        .bind(digest)
        .bind(principal)
        .bind(browser(mark))
        .bind(self.clock.now())
        .fetch_optional(pool)
        .await)?)
    }

    /// The client with which this connection's browser was sent away and never came back, its time being over. An
    /// authorization server that forgot a client shows its own page and sends nobody back (DC-18).
    pub(super) async fn lost(&self, connection: &ConnectionId) -> Result<Option<ClientId>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_scalar(
            "SELECT client_id FROM upstream_authorization WHERE connection_id = $1 AND expires_at <= $2"
        )
        .bind(connection)
        .bind(self.clock.now())
        .fetch_optional(pool)
        .await)?)
    }

    /// Deletes what is long over.
    pub(super) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "DELETE FROM upstream_authorization WHERE expires_at < $1"
        )
        .bind(now.minus(REMEMBERED))
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }
}

/// Opens what every browser was sent away with that is not back yet.
pub(super) async fn verify(database: &Database, vault: &Vault) -> Result<Verified, DatabaseError> {
    let rows: Vec<(String, String, String)> = on!(database.read(), |pool| sqlx::query_as(
        "SELECT state_hash, connection_id, verifier FROM upstream_authorization ORDER BY connection_id"
    )
    .fetch_all(pool)
    .await)?;
    let (key, mut verified) = (vault.server_key(KEY), Verified::new("authorizations under way"));
    for (hash, connection, sealed) in rows {
        verified.count(&key.open(&sealed, hash.as_bytes()), || connection);
    }
    Ok(verified)
}

/// The mark is the browser's secret; its hash is enough to know it again.
fn browser(mark: &str) -> SecretHash {
    Secret::presented(mark).hash()
}
