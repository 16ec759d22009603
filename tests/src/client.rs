//! A client that speaks OAuth: registration, PKCE, the token endpoint, and calls with what it got.

use axum::body::Body;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_authorization_server::{ClientOrigin, NewClient};
use portcullis_oauth::{
    ApplicationType, ClientAuthMethod, ClientMetadata, GrantType, OpenIdRegistration, ResourceUri, ScopeSet,
    random_handle,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::request;
use crate::{Answer, Browser, World};

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<String>,
    /// Where it is answered.
    pub redirect_uri: String,
}

/// A verifier and its challenge.
#[derive(Clone, Debug)]
pub struct Pkce {
    /// The `code_verifier`.
    pub verifier: String,
    /// The `code_challenge`.
    pub challenge: String,
}

impl Default for Pkce {
    fn default() -> Self {
        Self::new()
    }
}

impl Pkce {
    /// A fresh pair.
    #[must_use]
    pub fn new() -> Self {
        let verifier = random_handle("") + &random_handle("");
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        Self { verifier, challenge }
    }
}

/// What the token endpoint gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token; empty when there is none.
    pub refresh: String,
    /// The granted scope.
    pub scope: String,
}

impl Tokens {
    /// Reads a token answer, which must be one.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.json()[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.verdict(), "200", "{}", answer.body);
        Self { access: text("access_token"), refresh: text("refresh_token"), scope: text("scope") }
    }
}

impl Client {
    /// A public client on this computer, registered by itself for both grants.
    pub async fn public(world: &World) -> Self {
        let metadata = json!({
            "client_name": "Inspector", "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        });
        Self::registered(world, &metadata).await
    }

    /// A client registered by itself with this metadata.
    pub async fn registered(world: &World, metadata: &Value) -> Self {
        let answer = world.post_json("/oauth/register", metadata).await;
        assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
        let registered = answer.json();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            id: text(&registered["client_id"]).unwrap_or_default(),
            secret: text(&registered["client_secret"]),
            redirect_uri: text(&registered["redirect_uris"][0])
                .unwrap_or_default()
                .replace("/callback", ":51004/callback"),
        }
    }

    /// An authorization URL; further parameters replace ours, and an empty value removes one.
    #[must_use]
    pub fn authorize(&self, pkce: &Pkce, changes: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_challenge", pkce.challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("state", "a b+%é&="),
            ("resource", "http://localhost:8420/mcp"),
        ];
        parameters.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("/oauth/authorize?{query}")
    }

    /// Redeems a code; further parameters replace ours, and an empty value removes one.
    pub async fn redeem(
        &self,
        world: &World,
        code: &str,
        verifier: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", self.redirect_uri.as_str()),
        ];
        self.token(world, &fields, changes).await
    }

    /// Refreshes; further parameters replace ours.
    pub async fn refresh(&self, world: &World, token: &str, changes: &[(&str, &str)]) -> Answer {
        self.token(world, &[("grant_type", "refresh_token"), ("refresh_token", token)], changes).await
    }

    /// Revokes a token.
    pub async fn revoke(&self, world: &World, token: &str) -> Answer {
        world.post_form("/oauth/revoke", &[("client_id", &self.id), ("token", token)]).await
    }

    /// The whole flow with Alice's fresh browser.
    pub async fn connect(&self, world: &World) -> Tokens {
        let mut browser = Browser::new(world);
        let (code, pkce) = browser.code_for(self).await;
        Tokens::of(&self.redeem(world, &code, &pkce.verifier, &[]).await)
    }

    /// A client that an admin registered for these grants, without a redirect URI.
    pub async fn by_admin(world: &World, grants: &[GrantType], (scope, resources): (&str, &[&str])) -> Self {
        let confidential = grants.iter().any(|grant| grant.needs_confidential());
        let metadata = ClientMetadata {
            redirect_uris: Vec::new(),
            client_name: "Build box".to_owned(),
            client_uri: None,
            token_endpoint_auth_method: if confidential {
                ClientAuthMethod::ClientSecretPost
            } else {
                ClientAuthMethod::None
            },
            grant_types: grants.to_vec(),
            response_types: Vec::new(),
            application_type: ApplicationType::Web,
            scope: ScopeSet::parse(scope).expect("scopes"),
            require_pushed_authorization_requests: false,
            openid: OpenIdRegistration::default(),
            dpop_bound_access_tokens: false,
            keys: None,
            token_endpoint_auth_signing_alg: None,
        };
        let resources = resources.iter().map(|uri| ResourceUri::parse(uri).expect("a resource")).collect();
        let new = NewClient { metadata, origin: ClientOrigin::Admin, resources };
        let (client, secret) = world.app.authorization.clients().register(new).await.expect("a client");
        let secret = secret.map(|secret| secret.expose().to_owned());
        Self { id: client.id.to_string(), secret, redirect_uri: String::new() }
    }

    /// Asks the token endpoint, with the client's credentials; further parameters replace ours.
    pub async fn token(&self, world: &World, fields: &[(&str, &str)], changes: &[(&str, &str)]) -> Answer {
        self.token_with(world, fields, changes, &[]).await
    }

    /// The same with further headers.
    pub async fn token_with(
        &self,
        world: &World,
        fields: &[(&str, &str)],
        changes: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("client_id", &self.id));
        fields.extend(self.secret.as_deref().map(|secret| ("client_secret", secret)));
        fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        world.post_form_with("/oauth/token", &fields, headers).await
    }
}

impl World {
    /// Calls a method of the stateless revision at `/mcp`.
    pub async fn mcp(&self, token: &str, method: &str, params: Value) -> Answer {
        self.mcp_at("/mcp", token, method, params).await
    }

    /// Calls a method of the stateless revision at one of our MCP endpoints.
    pub async fn mcp_at(&self, path: &str, token: &str, method: &str, params: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        self.mcp_with(path, if token.is_empty() { &[] } else { &headers }, method, params).await
    }

    /// The same with these headers instead of a Bearer token.
    pub async fn mcp_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        method: &str,
        mut params: Value,
    ) -> Answer {
        let version = "2026-07-28";
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = request(Method::POST, path)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", version)
            .header("mcp-method", method);
        if let Some(name) = params["name"].as_str() {
            request = request.header("mcp-name", name);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }
}
