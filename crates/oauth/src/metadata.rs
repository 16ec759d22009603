//! Metadata documents: of the authorization server (RFC 8414) and of a protected resource (RFC 9728).

use serde::{Deserialize, Serialize};

use crate::scope::scopes;
use crate::{Algorithm, ClientAuthMethod, GrantType, OpenIdMetadata, PublicUrl, Resource, ResourceUri};

/// `/.well-known/oauth-authorization-server` (RFC 8414 §2), also served as `openid-configuration` for clients that look
/// only there (R8414-5-1). States only what is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationServerMetadata {
    /// The bare origin, byte for byte the `iss` of every answer.
    pub issuer: PublicUrl,
    /// OAuth 2.1 §3.1.
    pub authorization_endpoint: String,
    /// OAuth 2.1 §3.2.
    pub token_endpoint: String,
    /// RFC 7591 §3; absent when registration is off (MCP-AUTH-26).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// The keys that verify what this server signs (RFC 8414 §2).
    pub jwks_uri: String,
    /// RFC 7009 §2.
    pub revocation_endpoint: String,
    /// RFC 9126 §5.
    pub pushed_authorization_request_endpoint: String,
    /// RFC 9126 §5: said when it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub require_pushed_authorization_requests: bool,
    /// RFC 8628 §4.
    pub device_authorization_endpoint: String,
    /// Every scope that a client may ask for, `offline_access` among them (MCP-AUTH-12).
    pub scopes_supported: Vec<String>,
    /// `code` alone.
    pub response_types_supported: Vec<String>,
    /// `query` alone.
    pub response_modes_supported: Vec<String>,
    /// Always stated, since omission would mean code and implicit (R8414-2-3).
    pub grant_types_supported: Vec<GrantType>,
    /// Always stated, since omission would mean `client_secret_basic` (R8414-2-3).
    pub token_endpoint_auth_methods_supported: Vec<ClientAuthMethod>,
    /// What assertions may be signed with; never `none` (R8414-2-4). Pushed requests follow the token endpoint (RFC 9126 §5).
    pub token_endpoint_auth_signing_alg_values_supported: Vec<Algorithm>,
    /// The same methods at revocation.
    pub revocation_endpoint_auth_methods_supported: Vec<ClientAuthMethod>,
    /// The same algorithms at revocation.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<Algorithm>,
    /// RFC 7662 §2.
    pub introspection_endpoint: String,
    /// How a resource server's own client authenticates there; nobody else may ask (R7662-2.1-1).
    pub introspection_endpoint_auth_methods_supported: Vec<ClientAuthMethod>,
    /// `S256` alone; its absence would make MCP clients refuse (MCP-AUTH-5).
    pub code_challenge_methods_supported: Vec<String>,
    /// RFC 9207 §3.
    pub authorization_response_iss_parameter_supported: bool,
    /// CIMD §5; without it or without `none` above some clients register anew for every connection (DC-12).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub client_id_metadata_document_supported: bool,
    /// What OpenID Connect adds; none of it when that is off.
    #[serde(flatten)]
    pub openid: Option<OpenIdMetadata>,
    /// RFC 9449 §5.1: what proofs of possession may be signed with; absent where they are not offered.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dpop_signing_alg_values_supported: Vec<String>,
}

impl AuthorizationServerMetadata {
    /// The document of the deployment at `issuer`.
    #[must_use]
    pub fn new(issuer: &PublicUrl) -> Self {
        let only = |value: &str| vec![value.to_owned()];
        Self {
            issuer: issuer.clone(),
            authorization_endpoint: issuer.join("/oauth/authorize"),
            token_endpoint: issuer.join("/oauth/token"),
            registration_endpoint: Some(issuer.join("/oauth/register")),
            jwks_uri: issuer.join("/oauth/jwks.json"),
            revocation_endpoint: issuer.join("/oauth/revoke"),
            pushed_authorization_request_endpoint: issuer.join("/oauth/par"),
            require_pushed_authorization_requests: false,
            device_authorization_endpoint: issuer.join("/oauth/device_authorization"),
            scopes_supported: scopes::ALL.map(str::to_owned).to_vec(),
            response_types_supported: only("code"),
            response_modes_supported: only("query"),
            grant_types_supported: GrantType::ALL.to_vec(),
            token_endpoint_auth_methods_supported: ClientAuthMethod::ALL.to_vec(),
            token_endpoint_auth_signing_alg_values_supported: Algorithm::ALL.to_vec(),
            revocation_endpoint_auth_methods_supported: ClientAuthMethod::ALL.to_vec(),
            revocation_endpoint_auth_signing_alg_values_supported: Algorithm::ALL.to_vec(),
            introspection_endpoint: issuer.join("/oauth/introspect"),
            introspection_endpoint_auth_methods_supported: vec![ClientAuthMethod::ClientSecretBasic],
            code_challenge_methods_supported: only("S256"),
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: true,
            openid: None,
            dpop_signing_alg_values_supported: Vec::new(),
        }
    }

    /// The same with OpenID Connect, whose scopes may then be asked for.
    #[must_use]
    pub fn with_openid(mut self) -> Self {
        self.scopes_supported.extend(scopes::OPENID.map(str::to_owned));
        self.openid = Some(OpenIdMetadata::new(&self.issuer));
        self
    }
}

/// `/.well-known/oauth-protected-resource/…` (RFC 9728 §2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedResourceMetadata {
    /// The identifier from which the document's URL was built (R9728-3.3-1).
    pub resource: ResourceUri,
    /// Exactly one (DC-24).
    pub authorization_servers: Vec<PublicUrl>,
    /// What we are willing to disclose: never `offline_access` (MCP-AUTH-12) nor `mcp.connections.manage`.
    pub scopes_supported: Vec<String>,
    /// `header` alone (OA21-5.1-1).
    pub bearer_methods_supported: Vec<String>,
    /// A name for people.
    pub resource_name: String,
    /// What proofs of possession may be signed with (RFC 9728 §2); absent where they are not offered.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether tokens are taken with a proof alone (RFC 9728 §2): said when it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dpop_bound_access_tokens_required: bool,
}

impl ProtectedResourceMetadata {
    /// The document of `resource`, whose tokens `authorization_server` issues.
    #[must_use]
    pub fn new(resource: &Resource, authorization_server: &PublicUrl) -> Self {
        // In the order in which people understand them; a resource's own follow by name.
        let mut scopes: Vec<String> = resource.default_scopes.iter().map(str::to_owned).collect();
        scopes.sort_by_key(|name| scopes::ALL.iter().position(|known| known == name).unwrap_or(usize::MAX));
        Self {
            resource: resource.uri.clone(),
            authorization_servers: vec![authorization_server.clone()],
            scopes_supported: scopes,
            bearer_methods_supported: vec!["header".to_owned()],
            resource_name: resource.name.clone(),
            dpop_signing_alg_values_supported: Vec::new(),
            dpop_bound_access_tokens_required: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MCP-AUTH-12, DC-24, R9207-3-1
    #[test]
    fn the_two_documents_agree_and_only_one_of_them_lists_offline_access() {
        let origin = PublicUrl::parse("https://h").unwrap();
        let server = AuthorizationServerMetadata::new(&origin);
        let registry = crate::ResourceRegistry::new(origin);
        let protected = ProtectedResourceMetadata::new(registry.aggregate(), &server.issuer);
        assert_eq!(protected.authorization_servers, [server.issuer]);
        assert!(server.scopes_supported.contains(&"offline_access".to_owned()));
        assert!(!protected.scopes_supported.contains(&"offline_access".to_owned()));
        assert!(server.authorization_response_iss_parameter_supported);
    }
}
