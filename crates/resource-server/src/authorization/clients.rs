//! Who the gateway is at each issuer. Owns the table `upstream_client`. What one issuer gave is never shown to another
//! (MCP-AUTH-21), and an answer comes to a path of that issuer alone (RFC 9700 §4.4.2.2).

mod given;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis_database::{Database, DatabaseError};
use portcullis_oauth::client::{
    ClientDocument, ClientProof, Registered, RemoteServer, RemoteUrl, gateway_metadata,
};
use portcullis_oauth::{ClientAuthMethod, ClientId, ClientMetadata, Clock, PublicUrl, RedirectUri, ScopeSet};
use portcullis_outbound::Outbound;
use portcullis_vault::Vault;

use self::store::{ClientKind, ClientStore};
use super::AuthorizationError;
use super::exchange::{self, NotRegistered};

pub use self::given::{GivenClient, GivenClientError, GivenClients};
pub(super) use self::store::{UpstreamClient, verify};

/// How people see us on somebody else's consent page.
const NAME: &str = "Portcullis";

/// Who we are, and the ways to become somebody.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    store: ClientStore,
}

impl Clients {
    pub(super) fn new(kept: (Database, Arc<dyn Clock>), vault: &Vault, public_url: PublicUrl) -> Self {
        Self { store: ClientStore::new(kept, vault, public_url) }
    }

    /// Who we are at `issuer` for `server`: what an admin gave, else a document, else a registration for `scopes` at least
    /// (MCP-AUTH-31). `unless`: a client that the issuer seems not to know any more.
    pub(super) async fn obtain(
        &self,
        server: &str,
        issuer: &RemoteServer,
        (scopes, unless): (&ScopeSet, Option<&ClientId>),
        outbound: &Outbound,
    ) -> Result<UpstreamClient, AuthorizationError> {
        let known = self.store.known(server).await?;
        if let Some(given) = known.iter().find(|row| row.kind == ClientKind::Given) {
            // What was registered at one is nothing at another, and its secret would be the other's.
            if given.issuer != issuer.issuer.as_str() {
                return Err(AuthorizationError::GivenElsewhere(given.issuer.clone()));
            }
            return self.as_given(server, issuer, self.store.open(given)?).await;
        }
        let public_url = &self.store.public_url;
        // On this computer nobody could read it.
        if issuer.takes_documents && public_url.is_https() && !public_url.is_loopback() {
            return self.by_document(server, &issuer.issuer).await;
        }
        let redirect_uri = self.store.redirect_uri(&issuer.issuer.digest());
        let now = self.store.clock.now();
        let registered = known.iter().find(|row| {
            row.kind == ClientKind::Registered
                && row.issuer == issuer.issuer.as_str()
                && row.redirect_uri == redirect_uri
                && row.secret_expires_at.is_none_or(|at| now < at)
                && unless != Some(&row.client_id)
                // Some issuers refuse whatever a client did not register for.
                && scopes.without(&row.scopes).is_empty()
        });
        match registered {
            Some(row) => self.store.open(row),
            None => self.register((server, issuer), (redirect_uri, scopes), outbound).await,
        }
    }

    async fn by_document(
        &self,
        server: &str,
        issuer: &RemoteUrl,
    ) -> Result<UpstreamClient, AuthorizationError> {
        let digest = issuer.digest();
        let client_id = ClientId::from(self.document_url(&digest));
        let proof = ClientProof { client_id, secret: None, method: ClientAuthMethod::None };
        let redirect_uri = self.store.redirect_uri(&digest);
        let scopes = ScopeSet::default();
        let named = UpstreamClient { kind: ClientKind::Document, proof, redirect_uri, scopes };
        self.store.keep((server, issuer), &named, None).await?;
        Ok(named)
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
            self.store.keep((server, &issuer.issuer), &given, None).await?;
        }
        Ok(given)
    }

    async fn register(
        &self,
        (server, issuer): (&str, &RemoteServer),
        (redirect_uri, scopes): (String, &ScopeSet),
        outbound: &Outbound,
    ) -> Result<UpstreamClient, AuthorizationError> {
        let nowhere = || AuthorizationError::NoRegistration(issuer.issuer.to_string(), redirect_uri.clone());
        let endpoint = issuer.registration_endpoint.as_ref().ok_or_else(nowhere)?;
        let redirect = RedirectUri::parse(&redirect_uri).map_err(|_| nowhere())?;
        let home = self.store.public_url.as_str();
        let metadata = gateway_metadata(NAME, home, redirect, Registered::method_for(issuer));
        // RFC 7591 §2: what the client can ask for.
        let metadata = ClientMetadata { scope: scopes.clone(), ..metadata };
        let registered = exchange::register(outbound, endpoint, &metadata).await.map_err(not_registered)?;
        let proof = ClientProof {
            client_id: registered.client_id,
            secret: registered.secret,
            method: registered.method,
        };
        let scopes = scopes.clone();
        let client = UpstreamClient { kind: ClientKind::Registered, proof, redirect_uri, scopes };
        self.store.keep((server, &issuer.issuer), &client, registered.secret_expires_at).await?;
        Ok(client)
    }

    /// The client of this identifier, for tokens and codes that were given to it.
    pub(super) async fn find(
        &self,
        server: &str,
        issuer: &str,
        client_id: &str,
    ) -> Result<Option<UpstreamClient>, AuthorizationError> {
        let known = self.store.known(server).await?;
        let row = known.iter().find(|row| row.issuer == issuer && row.client_id.as_str() == client_id);
        row.map(|row| self.store.open(row)).transpose()
    }

    /// Forgets a client that its issuer does not know any more.
    pub(super) async fn forget(
        &self,
        server: &str,
        issuer: &str,
        client_id: &ClientId,
    ) -> Result<(), DatabaseError> {
        self.store.forget(server, issuer, client_id).await
    }

    /// The document of the issuer with this digest; `None` for an issuer that nobody was sent to.
    pub(super) async fn document(&self, digest: &str) -> Result<Option<ClientDocument>, DatabaseError> {
        if !self.store.is_documented(digest).await? {
            return Ok(None);
        }
        let home = self.store.public_url.as_str();
        let redirect = RedirectUri::parse(&self.store.redirect_uri(digest)).ok();
        Ok(redirect.map(|redirect| ClientDocument {
            client_id: self.document_url(digest),
            metadata: gateway_metadata(NAME, home, redirect, ClientAuthMethod::None),
        }))
    }

    fn document_url(&self, digest: &str) -> String {
        self.store.public_url.join(&format!("/oauth/client/{digest}"))
    }
}

fn not_registered(why: NotRegistered) -> AuthorizationError {
    match why {
        NotRegistered::Unreachable(unreachable) => {
            AuthorizationError::Unreachable("the server's registration endpoint", unreachable)
        }
        NotRegistered::Malformed(fault) => {
            AuthorizationError::Metadata("what the registration endpoint answered", fault)
        }
        NotRegistered::Refused(words) => {
            AuthorizationError::RegistrationRefused(words.unwrap_or_else(|| "it did not say why".to_owned()))
        }
    }
}
