//! Somebody's program at the API: a token that its user consented to, and requests with it.

use axum::body::Body;
use axum::http::Method;
use portcullis_authorization_server::{ClientOrigin, NewClient, NewUser, User};
use portcullis_oauth::Secret;
use serde_json::{Value, json};

use crate::world::request;
use crate::{Answer, Browser, Client, PASSWORD, Pkce, Tokens, World};

/// The API's resource.
pub const API: &str = "http://localhost:8420/api/v1";

/// A program with a token for the API.
pub struct Program<'a> {
    world: &'a World,
    /// Its token.
    pub token: String,
    /// What the token was given.
    pub scope: String,
}

impl<'a> Program<'a> {
    /// A program that the person with this address gave all that they could of these scopes.
    pub async fn of(world: &'a World, email: &str, scope: &str) -> Self {
        let client = Client::vouched_for(world).await;
        let pkce = Pkce::new();
        let mut browser = Browser::new(world);
        let page = client.ask_for_api(&mut browser, (email, &pkce), scope).await;
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        let code = answer.redirect_parameter("code").expect("a code");
        let tokens = Tokens::of(&client.redeem(world, &code, &pkce.verifier, &[("resource", API)]).await);
        Self { world, token: tokens.access, scope: tokens.scope }
    }

    /// An administrator's program, with every scope.
    pub async fn of_admin(world: &'a World) -> Self {
        world.add_admin("root@example.com").await;
        Self::of(world, "root@example.com", "admin.read admin.write mcp.connections.manage").await
    }

    /// A program that has a token already.
    #[must_use]
    pub fn with(world: &'a World, token: &str) -> Self {
        Self { world, token: token.to_owned(), scope: String::new() }
    }

    /// `GET` below the API.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// `POST` below the API.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// `DELETE` below the API.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Any request below the API.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut asked = request(method, &format!("/api/v1{path}"));
        if !self.token.is_empty() {
            asked = asked.header("authorization", format!("Bearer {}", self.token));
        }
        if body.is_some() {
            asked = asked.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.world.send(asked.body(body).expect("a request")).await
    }
}

impl World {
    /// Adds somebody who administers this server.
    pub async fn add_admin(&self, email: &str) -> User {
        let password = Some(Secret::presented(PASSWORD));
        let new = NewUser { email: email.to_owned(), name: "Root".to_owned(), admin: true, password };
        self.app.authorization.users().create(new).await.expect("an administrator")
    }
}

impl Client {
    /// A public client that an admin registered.
    pub async fn vouched_for(world: &World) -> Self {
        let metadata = json!({
            "client_name": "Runbook", "redirect_uris": ["http://127.0.0.1/callback"], "application_type": "native",
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
            "response_types": ["code"], "scope": "",
        });
        let metadata = serde_json::from_value(metadata).expect("metadata");
        let new = NewClient { metadata, origin: ClientOrigin::Admin, resources: Vec::new() };
        let (client, _) = world.app.authorization.clients().register(new).await.expect("a client");
        let redirect_uri = "http://127.0.0.1:51004/callback".to_owned();
        Self { id: client.id.to_string(), secret: None, redirect_uri }
    }

    /// Sends somebody to the consent page for the API.
    pub async fn ask_for_api(
        &self,
        browser: &mut Browser<'_>,
        (email, pkce): (&str, &Pkce),
        scope: &str,
    ) -> Answer {
        let asked = self.authorize(pkce, &[("resource", API), ("scope", scope)]);
        let login = browser.get(&asked).await;
        let signed_in = browser.sign_in(login.see_other(), email, PASSWORD).await;
        browser.get(signed_in.see_other()).await
    }
}
