//! A client that proves itself by a key (`private_key_jwt`), and assertions as it makes them.

use portcullis_authorization_server::{ClientOrigin, NewClient};
use portcullis_oauth::jose::{Algorithm, ClientAssertion, JwkSet, SigningKey};
use portcullis_oauth::{Clock, GrantType, random_handle};
use serde_json::{Value, json};

use crate::{Answer, Client, World};

/// Where such a client is answered.
const CALLBACK: &str = "https://app.example/callback";

/// A client and its private key.
pub struct Keyed {
    /// The client; it has no secret.
    pub client: Client,
    /// What it signs with.
    pub key: SigningKey,
}

impl Keyed {
    /// A new key.
    #[must_use]
    pub fn new_key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm).expect("a key")
    }

    /// The public half of a key, as a set.
    #[must_use]
    pub fn set(key: &SigningKey) -> Value {
        json!({"keys": [key.public()]})
    }

    /// What such a client registers, without its keys.
    #[must_use]
    pub fn metadata() -> Value {
        json!({
            "client_name": "Agent", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ["authorization_code", "refresh_token"],
        })
    }

    /// A client that registered itself with its key.
    pub async fn registered(world: &World) -> Self {
        let key = Self::new_key(Algorithm::Es256);
        Self::registered_with(world, key, |set| json!({"jwks": set})).await
    }

    /// A client that registered itself with what `said` makes of its public key.
    pub async fn registered_with(world: &World, key: SigningKey, said: impl Fn(Value) -> Value) -> Self {
        let mut metadata = Self::metadata();
        let keys = said(Self::set(&key));
        for (name, value) in keys.as_object().into_iter().flatten() {
            metadata[name] = value.clone();
        }
        let client =
            Client { redirect_uri: CALLBACK.to_owned(), ..Client::registered(world, &metadata).await };
        Self { client, key }
    }

    /// A client that an admin registered with its key, for these grants.
    pub async fn by_admin(world: &World, grants: &[GrantType], scope: &str) -> Self {
        let key = Self::new_key(Algorithm::EdDsa);
        let mut metadata = Self::metadata();
        metadata["grant_types"] = json!(grants);
        metadata["scope"] = json!(scope);
        metadata["jwks"] = json!(JwkSet { keys: vec![key.public().clone()] });
        metadata["response_types"] = json!([]);
        metadata["application_type"] = json!("web");
        let metadata = serde_json::from_value(metadata).expect("metadata");
        let new = NewClient { metadata, origin: ClientOrigin::Admin, resources: Vec::new() };
        let (client, secret) = world.app.authorization.clients().register(new).await.expect("a client");
        assert!(secret.is_none(), "its key is its secret");
        let client = Client { id: client.id.to_string(), secret: None, redirect_uri: CALLBACK.to_owned() };
        Self { client, key }
    }

    /// The claims of a good assertion.
    #[must_use]
    pub fn claims(&self, world: &World) -> Value {
        let now = world.clock.now().seconds();
        let id = &self.client.id;
        json!({"iss": id, "sub": id, "aud": "http://localhost:8420", "iat": now, "exp": now + 60, "jti": random_handle("")})
    }

    /// A good assertion, good for one request.
    #[must_use]
    pub fn assertion(&self, world: &World) -> String {
        self.assertion_but(world, &json!({}))
    }

    /// A good assertion with some claims replaced; null removes one.
    #[must_use]
    pub fn assertion_but(&self, world: &World, changes: &Value) -> String {
        let mut claims = self.claims(world);
        for (name, value) in changes.as_object().into_iter().flatten() {
            match (value.is_null(), claims.as_object_mut()) {
                (true, Some(members)) => drop(members.remove(name)),
                _ => claims[name] = value.clone(),
            }
        }
        self.key.sign("JWT", &claims).expect("an assertion")
    }

    /// Asks the token endpoint with this assertion; further parameters replace ours.
    pub async fn token_with(
        &self,
        world: &World,
        fields: &[(&str, &str)],
        assertion: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let proof = [("client_assertion_type", ClientAssertion::TYPE), ("client_assertion", assertion)];
        let fields = [fields, &proof].concat();
        self.client.token(world, &fields, changes).await
    }

    /// Asks the token endpoint with a fresh assertion.
    pub async fn token(&self, world: &World, fields: &[(&str, &str)]) -> Answer {
        self.token_with(world, fields, &self.assertion(world), &[]).await
    }

    /// Whether the server believes this assertion, told by a request that nobody's code is good for.
    pub async fn believed(&self, world: &World, assertion: &str) -> Answer {
        let fields = [("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "x")];
        self.token_with(world, &fields, assertion, &[]).await
    }
}
