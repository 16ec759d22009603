//! Another MCP server whose tokens we issue: registered by an admin, asking what a token is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_authorization_server::{NewResource, ResourceScope};
use portcullis_oauth::{ResourceUri, Seconds, TokenFormat};

use crate::{Answer, Browser, Client, Pkce, Tokens, World};

/// A registered resource and the credentials of its server.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its identifier.
    pub uri: String,
    /// The `Authorization` header with which it asks.
    pub authorization: String,
}

impl ResourceServer {
    /// A server at `uri` that knows `read` (asked for by default) and `write`, whose tokens live for five minutes.
    pub async fn at(world: &World, uri: &str) -> Self {
        Self::with_tokens(world, uri, TokenFormat::Opaque).await
    }

    /// The same server, whose tokens look like this.
    pub async fn with_tokens(world: &World, uri: &str, token_format: TokenFormat) -> Self {
        let scope = |name: &str, about: &str, default| ResourceScope {
            name: name.to_owned(),
            about: about.to_owned(),
            default,
        };
        let new = NewResource {
            uri: ResourceUri::parse(uri).expect("a resource"),
            name: "Team notes".to_owned(),
            scopes: vec![
                scope("read", "Read the notes of your team.", true),
                scope("write", "Change them.", false),
            ],
            token_format,
            access_token_life: Some(Seconds(300)),
        };
        let (resource, secret) = world.app.authorization.resources().create(new).await.expect("a resource");
        world.app.changes.read().await.expect("the change table");
        let pair = format!("{}:{}", resource.client_id, secret.expose());
        Self { uri: uri.to_owned(), authorization: format!("Basic {}", STANDARD.encode(pair)) }
    }

    /// Asks what a token is.
    pub async fn introspect(&self, world: &World, token: &str) -> Answer {
        let headers = [("authorization", self.authorization.as_str())];
        world.post_form_with("/oauth/introspect", &[("token", token)], &headers).await
    }

    /// Alice lets `client` in, with everything that is offered for this `scope`.
    pub async fn connect(&self, world: &World, client: &Client, scope: &str) -> Tokens {
        let pkce = Pkce::new();
        let asked = client.authorize(&pkce, &[("resource", &self.uri), ("scope", scope)]);
        let code = Browser::new(world).approve(&asked).await;
        Tokens::of(&client.redeem(world, &code, &pkce.verifier, &[]).await)
    }

    /// Forgets it, as an admin's command in another process would.
    pub async fn remove(&self, world: &World) {
        let resources = world.app.authorization.resources();
        let found = resources.find(&ResourceUri::parse(&self.uri).expect("a resource")).await;
        assert!(
            resources.remove(&found.expect("the store").expect("the resource")).await.expect("the store")
        );
        world.app.changes.read().await.expect("the change table");
    }
}
