//! An enterprise's identity provider, which vouches for users with identity assertions (ID-JAG).

use portcullis_authorization_server::{IssuerId, User};
use portcullis_oauth::jose::{Algorithm, ClientKeys, IdJag, SigningKey};
use portcullis_oauth::{Clock, GrantType, random_handle};
use serde_json::{Value, json};

use crate::{Answer, Client, World};

/// A provider and its key.
pub struct IdentityProvider {
    /// Its issuer and tenant.
    pub id: IssuerId,
    /// What it signs with.
    pub key: SigningKey,
}

impl IdentityProvider {
    /// A provider that nobody trusts.
    #[must_use]
    pub fn new(issuer: &str, tenant: &str) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        Self { id: IssuerId::parse(issuer, tenant).expect("an issuer"), key }
    }

    /// A provider that an admin trusts.
    pub async fn trusted(world: &World, issuer: &str) -> Self {
        Self::new(issuer, "").be_trusted(world, false).await
    }

    /// Lets an admin trust it.
    pub async fn be_trusted(self, world: &World, links_by_email: bool) -> Self {
        let keys = ClientKeys::set(&json!({"keys": [self.key.public()]})).expect("keys");
        let issuers = world.app.authorization.trusted_issuers();
        issuers.trust(self.id.clone(), keys, links_by_email).await.expect("an issuer");
        world.app.changes.read().await.expect("the change table");
        self
    }

    /// Lets an admin say who somebody is there.
    pub async fn link(&self, world: &World, subject: &str, user: &User) {
        let issuers = world.app.authorization.trusted_issuers();
        issuers.link(&self.id, subject, &user.id).await.expect("a link");
    }

    /// What it says of `subject` and `client`.
    #[must_use]
    pub fn claims(&self, world: &World, (subject, client): (&str, &Client)) -> Value {
        let now = world.clock.now().seconds();
        let mut claims = json!({
            "iss": self.id.issuer, "sub": subject, "aud": "http://localhost:8420", "client_id": client.id,
            "jti": random_handle(""), "iat": now, "exp": now + 300, "resource": "http://localhost:8420/mcp",
            "scope": "mcp.tools.read mcp.tools.execute",
        });
        if !self.id.tenant.is_empty() {
            claims["tenant"] = json!(self.id.tenant);
        }
        claims
    }

    /// The same as an assertion, with some claims replaced; null removes one.
    #[must_use]
    pub fn vouch(&self, world: &World, whom: (&str, &Client), changes: &Value) -> String {
        let mut claims = self.claims(world, whom);
        for (name, value) in changes.as_object().into_iter().flatten() {
            match (value.is_null(), claims.as_object_mut()) {
                (true, Some(members)) => drop(members.remove(name)),
                _ => claims[name] = value.clone(),
            }
        }
        self.key.sign(IdJag::TYP, &claims).expect("an assertion")
    }
}

impl Client {
    /// Presents an assertion; further parameters replace ours.
    pub async fn present(&self, world: &World, assertion: &str, changes: &[(&str, &str)]) -> Answer {
        let fields = [("grant_type", GrantType::JwtBearer.as_str()), ("assertion", assertion)];
        self.token(world, &fields, changes).await
    }
}
