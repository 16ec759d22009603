//! Client metadata (RFC 7591 §2): the words that registration, admins and documents share.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(feature = "jose")]
use crate::jose::ClientKeys;
use crate::{Algorithm, OpenIdRegistration, RedirectUri, ScopeSet, random_handle};

/// How a client authenticates at the token endpoint (RFC 7591 §2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMethod {
    /// A public client: it only names itself.
    None,
    /// The secret in an `Authorization: Basic` header.
    ClientSecretBasic,
    /// The secret in the body.
    ClientSecretPost,
    /// An assertion that it signed (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl ClientAuthMethod {
    /// Every method that we offer, in the order in which metadata lists them (R8414-2-3, DC-11).
    pub const ALL: [Self; 4] =
        [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// Whether the client has a secret that we know too.
    #[must_use]
    pub const fn is_by_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// The grants that a client may be registered for (RFC 7591 §2, `grant_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// OAuth 2.1 §4.1.
    AuthorizationCode,
    /// OAuth 2.1 §4.3.
    RefreshToken,
    /// OAuth 2.1 §4.2: the client acts for itself.
    ClientCredentials,
    /// RFC 8628 §3.4.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// RFC 8693 §2.1.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
    /// RFC 7523 §2.1, for identity assertions alone.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
}

impl GrantType {
    /// Every grant that we offer; the last one where an issuer of such assertions is trusted.
    pub const ALL: [Self; 6] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::TokenExchange,
        Self::JwtBearer,
    ];

    /// What a client has unless somebody says otherwise.
    pub const USUAL: [Self; 2] = [Self::AuthorizationCode, Self::RefreshToken];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// The name without its namespace, as people type it.
    #[must_use]
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::DeviceCode => "device_code",
            Self::TokenExchange => "token_exchange",
            Self::JwtBearer => "jwt_bearer",
            named => named.as_str(),
        }
    }

    /// The grant of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }

    /// Whether somebody for whom nobody vouches may have it (A35). A redirect host is the one thing about such a client
    /// that people can judge, so grants that show none are for clients that an admin registered.
    #[must_use]
    pub const fn is_for_anybody(self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::RefreshToken)
    }

    /// Whether it needs a client that keeps a secret (OA21-4.2-1).
    #[must_use]
    pub const fn needs_confidential(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::TokenExchange | Self::JwtBearer)
    }
}

/// Where the application runs (OpenID Connect Registration §2, DC-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// On a server: https redirects only.
    Web,
    /// On the user's device: loopback or private-use redirects.
    Native,
}

impl ApplicationType {
    /// What the redirect URIs tell, whatever the client said (DC-10).
    #[must_use]
    pub fn infer(redirect_uris: &[RedirectUri]) -> Self {
        if redirect_uris.iter().any(RedirectUri::is_native) { Self::Native } else { Self::Web }
    }
}

/// A client's metadata as registered: what the answer to a registration states in full (R7591-3.2.1-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Where authorization responses may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// The human name. The client chose it, so it is shown, never believed.
    pub client_name: String,
    /// The client's home page, https only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// How it authenticates.
    pub token_endpoint_auth_method: ClientAuthMethod,
    /// The grants that it may use.
    pub grant_types: Vec<GrantType>,
    /// `["code"]`, the one response type that we offer; empty without `authorization_code`.
    pub response_types: Vec<String>,
    /// Where it runs.
    pub application_type: ApplicationType,
    /// A default for requests that name no scope, never a ceiling (DC-5); but the ceiling of `client_credentials`, where no
    /// person consents.
    #[serde(skip_serializing_if = "ScopeSet::is_empty", default)]
    pub scope: ScopeSet,
    /// Whether its authorization requests must be pushed first (RFC 9126 §6).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub require_pushed_authorization_requests: bool,
    /// What OpenID Connect adds.
    #[serde(flatten)]
    pub openid: OpenIdRegistration,
    /// Whether all its tokens are bound to a key, so that each token request needs a proof (RFC 9449 §5.2).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dpop_bound_access_tokens: bool,
    /// What verifies its assertions, and is said of no client that makes none.
    #[cfg(feature = "jose")]
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub keys: Option<ClientKeys>,
    /// The one algorithm of its assertions, if it binds itself to one (OpenID Connect Registration §2).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
}

impl ClientMetadata {
    /// What distinguishes these metadata from any others, in 43 characters: so that a change is seen (CIMD-6.3-1).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // Nothing in it can fail to be written as JSON; if it did, no two would be alike.
        let canonical = serde_json::to_value(self).map(|mut json| {
            json.sort_all_objects();
            json.to_string()
        });
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.unwrap_or_else(|_| random_handle(""))))
    }

    /// Whether answers go to programs on the user's own computer and nowhere else (MCP-AUTH-25).
    #[must_use]
    pub fn is_for_this_computer_only(&self) -> bool {
        !self.redirect_uris.is_empty() && self.redirect_uris.iter().all(|uri| uri.loopback().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_stored_under_its_registered_name() {
        for grant in GrantType::ALL {
            assert_eq!(serde_json::to_value(grant).unwrap(), grant.as_str());
            assert_eq!(GrantType::parse(grant.as_str()), Some(grant));
        }
    }
}
