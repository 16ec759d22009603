//! The rows of `upstream_client`, with their secrets sealed.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::client::{ClientProof, RemoteUrl};
use portcullis_oauth::{ClientAuthMethod, ClientId, Clock, PublicUrl, ScopeSet, Secret, Timestamp};
use portcullis_vault::{SealingKey, Vault, Verified};
use serde_json::json;

use crate::authorization::AuthorizationError;

/// How we came by a client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientKind {
    /// A document of ours is at its URL.
    Document,
    /// We registered there.
    Registered,
    /// An admin registered us there.
    Given,
}

impl ClientKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Registered => "registered",
            Self::Given => "given",
        }
    }
}

impl TryFrom<String> for ClientKind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        [Self::Document, Self::Registered, Self::Given]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or(name)
    }
}

/// What the key is for that seals our secrets.
const KEY: &[u8] = b"portcullis upstream client v1";

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) server: String,
    pub(super) issuer: String,
    pub(super) client_id: ClientId,
    #[sqlx(try_from = "String")]
    pub(super) kind: ClientKind,
    method: String,
    secret: Option<String>,
    pub(super) secret_expires_at: Option<Timestamp>,
    pub(super) redirect_uri: String,
    pub(super) made_at: Timestamp,
    /// What it was registered for.
    pub(super) scopes: ScopeSet,
}

impl Row {
    pub(super) const fn has_secret(&self) -> bool {
        self.secret.is_some()
    }
}

/// Who we are at one issuer.
#[derive(Clone, Debug)]
pub(in crate::authorization) struct UpstreamClient {
    pub(super) kind: ClientKind,
    pub(in crate::authorization) proof: ClientProof,
    pub(in crate::authorization) redirect_uri: String,
    /// What it was registered for; nothing, where it was not.
    pub(super) scopes: ScopeSet,
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct ClientStore {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) public_url: PublicUrl,
    key: Arc<SealingKey>,
}

impl ClientStore {
    pub(super) fn new(
        (database, clock): (Database, Arc<dyn Clock>),
        vault: &Vault,
        public_url: PublicUrl,
    ) -> Self {
        Self { database, clock, public_url, key: Arc::new(vault.server_key(KEY)) }
    }

    /// Where the answers of the issuer with this digest come, and no other's.
    pub(super) fn redirect_uri(&self, digest: &str) -> String {
        self.public_url.join(&format!("/oauth/callback/{digest}"))
    }

    /// Every client for `server`, the latest first.
    pub(super) async fn known(&self, server: &str) -> Result<Vec<Row>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM upstream_client WHERE server = $1 ORDER BY made_at DESC"
        )
        .bind(server)
        .fetch_all(pool)
        .await)?)
    }

    /// Every client of one kind, by the server's name.
    pub(super) async fn of_kind(&self, kind: ClientKind) -> Result<Vec<Row>, DatabaseError> {
        let mut rows: Vec<Row> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM upstream_client WHERE kind = $1"
        )
        .bind(kind.as_str())
        .fetch_all(pool)
        .await)?;
        rows.sort_by(|one, other| one.server.cmp(&other.server));
        Ok(rows)
    }

    /// Whether the issuer with this digest was told of a document of ours.
    pub(super) async fn is_documented(&self, digest: &str) -> Result<bool, DatabaseError> {
        let known: Option<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT client_id FROM upstream_client WHERE digest = $1 AND kind = $2 LIMIT 1"
        )
        .bind(digest)
        .bind(ClientKind::Document.as_str())
        .fetch_optional(pool)
        .await)?;
        Ok(known.is_some())
    }

    /// Forgets a registration that its issuer does not know any more; what an admin gave stays, for them to see to.
    pub(super) async fn forget(
        &self,
        server: &str,
        issuer: &str,
        client_id: &ClientId,
    ) -> Result<(), DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "DELETE FROM upstream_client WHERE server = $1 AND issuer = $2 AND client_id = $3 AND kind = $4"
        )
        .bind(server)
        .bind(issuer)
        .bind(client_id)
        .bind(ClientKind::Registered.as_str())
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Keeps who we are.
    pub(super) async fn keep(
        &self,
        (server, issuer): (&str, &RemoteUrl),
        client: &UpstreamClient,
        secret_expires_at: Option<Timestamp>,
    ) -> Result<(), DatabaseError> {
        let mut transaction = self.database.begin().await?;
        self.keep_in(&mut transaction, (server, issuer), client, secret_expires_at).await?;
        transaction.commit().await
    }

    /// Keeps what an admin gave, in place of what they gave before for this server. `false` when there is no such server.
    pub(super) async fn keep_given(
        &self,
        (server, issuer): (&str, &RemoteUrl),
        client: &UpstreamClient,
    ) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let offered: Option<(String,)> =
            on!(transaction.on(), |executor| sqlx::query_as("SELECT slug FROM server WHERE slug = $1")
                .bind(server)
                .fetch_optional(executor)
                .await)?;
        if offered.is_none() {
            return Ok(false);
        }
        delete_given(&mut transaction, server).await?;
        self.keep_in(&mut transaction, (server, issuer), client, None).await?;
        self.note_in(&mut transaction, server, "client_given").await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Takes what an admin gave for `server` away. `false` when there was nothing.
    pub(super) async fn remove_given(&self, server: &str) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let gone = delete_given(&mut transaction, server).await?;
        if gone {
            self.note_in(&mut transaction, server, "client_removed").await?;
            transaction.commit().await?;
        }
        Ok(gone)
    }

    async fn keep_in(
        &self,
        transaction: &mut Transaction,
        (server, issuer): (&str, &RemoteUrl),
        client: &UpstreamClient,
        secret_expires_at: Option<Timestamp>,
    ) -> Result<(), DatabaseError> {
        let proof = &client.proof;
        let place = place(server, issuer.as_str(), &proof.client_id);
        let secret = proof.secret.as_ref();
        let secret = secret.map(|secret| self.key.seal(secret.expose().as_bytes(), place.as_bytes()));
        on!(transaction.on(), |executor| {
            sqlx::query(
                "INSERT INTO upstream_client (server, issuer, client_id, digest, kind, method, secret, \
                 secret_expires_at, redirect_uri, made_at, scopes) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                 ON CONFLICT (server, issuer, client_id) DO UPDATE SET kind = $5, method = $6, secret = $7, \
                 secret_expires_at = $8, redirect_uri = $9, made_at = $10, scopes = $11",
            )
            .bind(server)
            .bind(issuer.as_str())
            .bind(&proof.client_id)
            .bind(issuer.digest())
            .bind(client.kind.as_str())
            .bind(proof.method.as_str())
            .bind(&secret)
            .bind(secret_expires_at)
            .bind(&client.redirect_uri)
            .bind(self.clock.now())
            .bind(&client.scopes)
            .execute(executor)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    async fn note_in(
        &self,
        transaction: &mut Transaction,
        server: &str,
        what: &'static str,
    ) -> Result<(), DatabaseError> {
        let event = Event::new(self.clock.now(), Action::ServerChange, Outcome::Done).because(what);
        portcullis_audit::record_in(transaction, event.with(json!({ "server": server }))).await
    }

    /// The client of a row, with its secret.
    pub(super) fn open(&self, row: &Row) -> Result<UpstreamClient, AuthorizationError> {
        let place = place(&row.server, &row.issuer, &row.client_id);
        let open = |sealed: &String| {
            let opened = self.key.open(sealed, place.as_bytes()).map_err(|_| AuthorizationError::Sealed)?;
            let text = std::str::from_utf8(&opened).map_err(|_| AuthorizationError::Sealed)?;
            Ok::<_, AuthorizationError>(Secret::presented(text))
        };
        let proof = ClientProof {
            client_id: row.client_id.clone(),
            secret: row.secret.as_ref().map(open).transpose()?,
            method: ClientAuthMethod::parse(&row.method).unwrap_or(ClientAuthMethod::None),
        };
        let (redirect_uri, scopes) = (row.redirect_uri.clone(), row.scopes.clone());
        Ok(UpstreamClient { kind: row.kind, proof, redirect_uri, scopes })
    }
}

/// Opens our secret at every issuer that gave us one.
pub(in crate::authorization) async fn verify(
    database: &Database,
    vault: &Vault,
) -> Result<Verified, DatabaseError> {
    let rows: Vec<(String, String, ClientId, String)> = on!(database.read(), |pool| sqlx::query_as(
        "SELECT server, issuer, client_id, secret FROM upstream_client WHERE secret IS NOT NULL \
         ORDER BY server, issuer, client_id"
    )
    .fetch_all(pool)
    .await)?;
    let (key, mut verified) = (vault.server_key(KEY), Verified::new("upstream client secrets"));
    for (server, issuer, client, sealed) in rows {
        let place = place(&server, &issuer, &client);
        verified.count(&key.open(&sealed, place.as_bytes()), || format!("{server} at {issuer}"));
    }
    Ok(verified)
}

async fn delete_given(transaction: &mut Transaction, server: &str) -> Result<bool, DatabaseError> {
    let gone: Vec<(String,)> = on!(transaction.on(), |executor| sqlx::query_as(
        "DELETE FROM upstream_client WHERE server = $1 AND kind = $2 RETURNING client_id"
    )
    .bind(server)
    .bind(ClientKind::Given.as_str())
    .fetch_all(executor)
    .await)?;
    Ok(!gone.is_empty())
}

/// Binds a sealed secret to its row.
fn place(server: &str, issuer: &str, client_id: &ClientId) -> String {
    format!("{server}\n{issuer}\n{client_id}")
}
