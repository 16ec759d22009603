//! Clients that an admin registered at an issuer by hand and gave to the gateway, for issuers where it cannot register
//! itself. They come before every other way (MCP-AUTH-31) and count at their own issuer alone (MCP-AUTH-21).

use std::sync::Arc;

use portcullis_database::{Database, DatabaseError};
use portcullis_oauth::client::{ClientProof, RemoteUrl, RemoteUrlError};
use portcullis_oauth::{ClientAuthMethod, ClientId, Clock, PublicUrl, ScopeSet, Secret, Timestamp};
use portcullis_vault::Vault;

use super::store::{ClientKind, ClientStore, Row, UpstreamClient};

/// A client that an admin gave; its secret stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenClient {
    /// The server's name in the catalogue.
    pub server: String,
    /// The issuer where it is registered.
    pub issuer: String,
    /// Who the gateway is there.
    pub client_id: ClientId,
    /// Whether it has a secret.
    pub has_secret: bool,
    /// The redirect URI that must be registered there with it.
    pub redirect_uri: String,
    /// When it was given.
    pub given_at: Timestamp,
}

impl From<Row> for GivenClient {
    fn from(row: Row) -> Self {
        Self {
            has_secret: row.has_secret(),
            server: row.server,
            issuer: row.issuer,
            client_id: row.client_id,
            redirect_uri: row.redirect_uri,
            given_at: row.made_at,
        }
    }
}

/// Why a client was not taken.
#[derive(Debug, thiserror::Error)]
pub enum GivenClientError {
    /// The issuer is none that the gateway would send anybody to.
    #[error("the issuer {0}")]
    Issuer(RemoteUrlError),
    /// The catalogue has no server of this name.
    #[error("there is no such server")]
    ServerUnknown,
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The store of given clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GivenClients(ClientStore);

impl GivenClients {
    /// The clients kept in `database`, for a deployment that is published at `public_url`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>, vault: &Vault, public_url: PublicUrl) -> Self {
        Self(ClientStore::new((database, clock), vault, public_url))
    }

    #[cfg(test)]
    pub(super) const fn of(store: ClientStore) -> Self {
        Self(store)
    }

    /// Keeps the client of this identifier at `issuer` for the server of this name, in place of one that was given before.
    /// The answer says which redirect URI must be registered with it.
    ///
    /// # Errors
    /// When the issuer is no plain https URL, there is no such server, or the store fails.
    pub async fn give(
        &self,
        server: &str,
        issuer: &str,
        (client_id, secret): (ClientId, Option<Secret>),
    ) -> Result<GivenClient, GivenClientError> {
        let issuer =
            RemoteUrl::parse(issuer, self.0.public_url.is_loopback()).map_err(GivenClientError::Issuer)?;
        let method =
            if secret.is_some() { ClientAuthMethod::ClientSecretBasic } else { ClientAuthMethod::None };
        let (has_secret, redirect_uri) = (secret.is_some(), self.0.redirect_uri(&issuer.digest()));
        let proof = ClientProof { client_id: client_id.clone(), secret, method };
        let scopes = ScopeSet::default();
        let client =
            UpstreamClient { kind: ClientKind::Given, proof, redirect_uri: redirect_uri.clone(), scopes };
        if !self.0.keep_given((server, &issuer), &client).await? {
            return Err(GivenClientError::ServerUnknown);
        }
        let given_at = self.0.clock.now();
        let (server, issuer) = (server.to_owned(), issuer.to_string());
        Ok(GivenClient { server, issuer, client_id, has_secret, redirect_uri, given_at })
    }

    /// Every client that was given, by the server's name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<GivenClient>, DatabaseError> {
        Ok(self.0.of_kind(ClientKind::Given).await?.into_iter().map(GivenClient::from).collect())
    }

    /// Takes it away: its tokens are renewed no longer, and the next authorization is with a client of another kind.
    /// `false` when there was none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, server: &str) -> Result<bool, DatabaseError> {
        self.0.remove_given(server).await
    }
}
