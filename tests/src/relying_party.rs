//! A client that wants to know who signed in (OpenID Connect), on a server where that is on.

use portcullis_database::testing::TestDatabase;
use portcullis_oauth::jose::{JwkSet, Jws};
use serde_json::{Value, json};

use crate::{Answer, Browser, Client, Pkce, World};

/// The identifier of `UserInfo`.
pub const USERINFO: &str = "http://localhost:8420/oauth/userinfo";

impl World {
    /// A server with OpenID Connect.
    pub async fn with_openid(database: TestDatabase) -> Self {
        Self::configured(database, &[("openid", "on")]).await
    }

    /// What a token of ours says, if it is of this `typ` and signed by a published key of this algorithm.
    pub async fn read_jwt(&self, token: &str, (typ, algorithm): (&str, &str)) -> Value {
        let keys = JwkSet::parse(&self.get("/oauth/jwks.json").await.json()).expect("keys");
        let token = Jws::parse(token).unwrap_or_else(|error| panic!("{error}: {token}"));
        assert_eq!((token.typ().as_deref(), token.algorithm().as_str()), (Some(typ), algorithm));
        Value::Object(token.verify_with(&keys).expect("a signature of ours").clone())
    }

    /// Asks `UserInfo`.
    pub async fn userinfo(&self, token: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        self.post_form_with("/oauth/userinfo", &[], &[("authorization", &authorization)]).await
    }
}

impl Client {
    /// A public client on this computer with further metadata.
    pub async fn relying_party(world: &World, more: Value) -> Self {
        let mut metadata = json!({
            "client_name": "Portal", "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            metadata[name] = value.clone();
        }
        Self::registered(world, &metadata).await
    }

    /// The URL that an OpenID client sends somebody to: no resource, these scopes, and whatever else.
    #[must_use]
    pub fn sign_in_url(&self, pkce: &Pkce, scope: &str, more: &[(&str, &str)]) -> String {
        self.authorize(pkce, &[&[("resource", ""), ("scope", scope)], more].concat())
    }

    /// Signs somebody in, with everything ticked, and gives what the token endpoint answers.
    pub async fn sign_in(
        &self,
        world: &World,
        browser: &mut Browser<'_>,
        (scope, more): (&str, &[(&str, &str)]),
    ) -> Answer {
        let pkce = Pkce::new();
        let code = browser.approve(&self.sign_in_url(&pkce, scope, more)).await;
        self.redeem(world, &code, &pkce.verifier, &[]).await
    }
}
