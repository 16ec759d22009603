//! Who the gateway is at each issuer. Owns the table `upstream_client`. What one issuer gave is never shown to another
//! (MCP-AUTH-21), and an answer comes to a path of that issuer alone (RFC 9700 §4.4.2.2).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::client::{
    ClientDocument, ClientProof, Registered, RemoteServer, RemoteUrl, gateway_metadata,
};
use portcullis_oauth::{ClientAuthMethod, ClientId, Clock, PublicUrl, RedirectUri, Secret, Timestamp};
use portcullis_outbound::Outbound;
use portcullis_vault::{SealingKey, Vault};

use super::AuthorizationError;
use super::exchange::{self, NotRegistered};

/// How people see us on somebody else's consent page.
const NAME: &str = "Portcullis";

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
    const fn as_str(self) -> &'static str {
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

#[derive(sqlx::FromRow)]
struct Row {
    server: String,
    issuer: String,
    client_id: ClientId,
    #[sqlx(try_from = "String")]
    kind: ClientKind,
    method: String,
    secret: Option<String>,
    secret_expires_at: Option<Timestamp>,
    redirect_uri: String,
}

/// Who we are at one issuer.
#[derive(Clone, Debug)]
pub(super) struct UpstreamClient {
    pub(super) kind: ClientKind,
    pub(super) proof: ClientProof,
    pub(super) redirect_uri: String,
}

/// The store of who we are, and the ways to become somebody.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    database: Database,
    clock: Arc<dyn Clock>,
    outbound: Outbound,
    public_url: PublicUrl,
    key: Arc<SealingKey>,
}

impl Clients {
    pub(super) fn new(
        (database, clock): (Database, Arc<dyn Clock>),
        vault: &Vault,
        outbound: Outbound,
        public_url: PublicUrl,
    ) -> Self {
        let key = Arc::new(vault.server_key(b"portcullis upstream client v1"));
        Self { database, clock, outbound, public_url, key }
    }

    /// Who we are at `issuer` for `server`: what an admin gave, else a document, else a registration (MCP-AUTH-31).
    /// `unless`: a client that the issuer seems not to know any more.
    pub(super) async fn obtain(
        &self,
        server: &str,
        issuer: &RemoteServer,
        unless: Option<&ClientId>,
    ) -> Result<UpstreamClient, AuthorizationError> {
        let redirect_uri = self.redirect_uri(&issuer.issuer.digest());
        let known = self.known(server).await?;
        if let Some(given) = known.iter().find(|row| row.kind == ClientKind::Given) {
            // What was registered at one is nothing at another, and its secret would be the other's.
            if given.issuer != issuer.issuer.as_str() {
                return Err(AuthorizationError::GivenElsewhere(given.issuer.clone()));
            }
            return self.as_given(server, issuer, self.open(given)?).await;
        }
        if issuer.takes_documents && self.public_url.is_https() && !self.public_url.is_loopback() {
            let client_id = ClientId::from(self.document_url(&issuer.issuer.digest()));
            let proof = ClientProof { client_id, secret: None, method: ClientAuthMethod::None };
            let named = UpstreamClient { kind: ClientKind::Document, proof, redirect_uri };
            self.keep(server, &issuer.issuer, &named, None).await?;
            return Ok(named);
        }
        let now = self.clock.now();
        let registered = known.iter().find(|row| {
            row.kind == ClientKind::Registered
                && row.issuer == issuer.issuer.as_str()
                && row.redirect_uri == redirect_uri
                && row.secret_expires_at.is_none_or(|at| now < at)
                && unless != Some(&row.client_id)
        });
        match registered {
            Some(row) => self.open(row),
            None => self.register(server, issuer, redirect_uri).await,
        }
    }

    /// The admin knows the secret; how it is presented, the issuer's metadata say.
    async fn as_given(
        &self,
        server: &str,
        issuer: &RemoteServer,
        mut given: UpstreamClient,
    ) -> Result<UpstreamClient, AuthorizationError> {
        let method = Registered::method_for(issuer);
        if given.proof.secret.is_some() && method.is_by_secret() && method != given.proof.method {
            given.proof.method = method;
            self.keep(server, &issuer.issuer, &given, None).await?;
        }
        Ok(given)
    }

    async fn register(
        &self,
        server: &str,
        issuer: &RemoteServer,
        redirect_uri: String,
    ) -> Result<UpstreamClient, AuthorizationError> {
        let Some(endpoint) = &issuer.registration_endpoint else {
            return Err(AuthorizationError::NoRegistration(issuer.issuer.to_string(), redirect_uri));
        };
        let redirect = RedirectUri::parse(&redirect_uri).map_err(|_| {
            AuthorizationError::NoRegistration(issuer.issuer.to_string(), redirect_uri.clone())
        })?;
        let home = self.public_url.as_str();
        let metadata = gateway_metadata(NAME, home, redirect, Registered::method_for(issuer));
        let registered =
            exchange::register(&self.outbound, endpoint, &metadata).await.map_err(|why| match why {
                NotRegistered::Unreachable(unreachable) => {
                    AuthorizationError::Unreachable("the server's registration endpoint", unreachable)
                }
                NotRegistered::Malformed(fault) => {
                    AuthorizationError::Metadata("what the registration endpoint answered", fault)
                }
                NotRegistered::Refused(words) => AuthorizationError::RegistrationRefused(
                    words.unwrap_or_else(|| "it did not say why".to_owned()),
                ),
            })?;
        let proof = ClientProof {
            client_id: registered.client_id,
            secret: registered.secret,
            method: registered.method,
        };
        let client = UpstreamClient { kind: ClientKind::Registered, proof, redirect_uri };
        self.keep(server, &issuer.issuer, &client, registered.secret_expires_at).await?;
        Ok(client)
    }

    /// Keeps what an admin was given at `issuer`, in place of what they gave before for this server: from now on the gateway
    /// is that client there, and nobody at another issuer.
    pub(super) async fn give(
        &self,
        server: &str,
        issuer: &RemoteUrl,
        client_id: ClientId,
        secret: Option<Secret>,
    ) -> Result<String, DatabaseError> {
        on!(self.database.write(), |pool| sqlx::query(
            "DELETE FROM upstream_client WHERE server = $1 AND kind = $2"
        )
        .bind(server)
        .bind(ClientKind::Given.as_str())
        .execute(pool)
        .await
        .map(drop))?;
        let method =
            if secret.is_some() { ClientAuthMethod::ClientSecretBasic } else { ClientAuthMethod::None };
        let redirect_uri = self.redirect_uri(&issuer.digest());
        let proof = ClientProof { client_id, secret, method };
        let given = UpstreamClient { kind: ClientKind::Given, proof, redirect_uri };
        self.keep(server, issuer, &given, None).await?;
        Ok(given.redirect_uri)
    }

    /// The client of this identifier, for tokens and codes that were given to it.
    pub(super) async fn find(
        &self,
        server: &str,
        issuer: &str,
        client_id: &str,
    ) -> Result<Option<UpstreamClient>, AuthorizationError> {
        let known = self.known(server).await?;
        let row = known.iter().find(|row| row.issuer == issuer && row.client_id.as_str() == client_id);
        row.map(|row| self.open(row)).transpose()
    }

    /// Forgets a client that its issuer does not know any more; one that an admin gave stays, for the admin to see to.
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

    /// The document of the issuer with this digest; `None` for an issuer that nobody was sent to.
    pub(super) async fn document(&self, digest: &str) -> Result<Option<ClientDocument>, DatabaseError> {
        let known: Option<(String,)> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT client_id FROM upstream_client WHERE digest = $1 AND kind = $2 LIMIT 1"
        )
        .bind(digest)
        .bind(ClientKind::Document.as_str())
        .fetch_optional(pool)
        .await)?;
        let Ok(redirect) = RedirectUri::parse(&self.redirect_uri(digest)) else { return Ok(None) };
        Ok(known.map(|_| ClientDocument {
            client_id: self.document_url(digest),
            metadata: gateway_metadata(NAME, self.public_url.as_str(), redirect, ClientAuthMethod::None),
        }))
    }

    fn redirect_uri(&self, digest: &str) -> String {
        self.public_url.join(&format!("/oauth/callback/{digest}"))
    }

    fn document_url(&self, digest: &str) -> String {
        self.public_url.join(&format!("/oauth/client/{digest}"))
    }

    /// Every client for `server`, the latest first.
    async fn known(&self, server: &str) -> Result<Vec<Row>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM upstream_client WHERE server = $1 ORDER BY made_at DESC"
        )
        .bind(server)
        .fetch_all(pool)
        .await)?)
    }

    async fn keep(
        &self,
        server: &str,
        issuer: &RemoteUrl,
        client: &UpstreamClient,
        secret_expires_at: Option<Timestamp>,
    ) -> Result<(), DatabaseError> {
        let proof = &client.proof;
        let place = place(server, issuer.as_str(), &proof.client_id);
        let secret = proof.secret.as_ref();
        let secret = secret.map(|secret| self.key.seal(secret.expose().as_bytes(), place.as_bytes()));
        on!(self.database.write(), |pool| {
            sqlx::query(
                "INSERT INTO upstream_client (server, issuer, client_id, digest, kind, method, secret, \
                 secret_expires_at, redirect_uri, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                 ON CONFLICT (server, issuer, client_id) DO UPDATE SET kind = $5, method = $6, secret = $7, \
                 secret_expires_at = $8, redirect_uri = $9, made_at = $10",
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
            .execute(pool)
            .await
            .map(drop)
        })?;
        Ok(())
    }

    fn open(&self, row: &Row) -> Result<UpstreamClient, AuthorizationError> {
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
        Ok(UpstreamClient { kind: row.kind, proof, redirect_uri: row.redirect_uri.clone() })
    }
}

/// Binds a sealed secret to its row.
fn place(server: &str, issuer: &str, client_id: &ClientId) -> String {
    format!("{server}\n{issuer}\n{client_id}")
}
