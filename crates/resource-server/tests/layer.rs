//! The layer by itself, as the author of another MCP server uses it: no feature, no database.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on falls over")]

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use portcullis_resource_server::oauth::{
    BoxFuture, ClientId, GrantId, GrantedConnections, Principal, PrincipalId, PrincipalKind, PublicUrl,
    Resource, ResourceUri, ScopeSet, Seconds, Secret, TestClock, Timestamp,
};
use portcullis_resource_server::{RequireBearer, VerifiedBearer, Verifier, VerifyError};
use tower::ServiceExt;

/// Knows the token `good`, which may read.
struct One;

impl Verifier for One {
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>> {
        let scope = ScopeSet::from_iter(["notes.read"]);
        let principal = Principal {
            id: PrincipalId::generate(PrincipalKind::User),
            permissions: scope.clone(),
            groups: Vec::new(),
        };
        let answer = if token.expose() == "good" {
            let holder = (principal, ClientId::generate(), GrantId::generate());
            let reach = (scope, GrantedConnections::All);
            Ok(VerifiedBearer::attest(token.hash(), resource.clone(), now.plus(Seconds(60)), holder, reach))
        } else {
            Err(VerifyError::Invalid("the token is unknown"))
        };
        Box::pin(std::future::ready(answer))
    }
}

fn app(needed: &str) -> Router {
    let uri = ResourceUri::parse("https://tools.example.com/notes").unwrap();
    let resource = Resource::new(uri, "Notes", ScopeSet::from_iter(["notes.read"]));
    let clock = Arc::new(TestClock::at(Timestamp::from_micros(0)));
    let check = RequireBearer::new(resource, ScopeSet::from_iter([needed]), Arc::new(One), clock);
    let served = |Extension(bearer): Extension<VerifiedBearer>| async move { bearer.scope().to_string() };
    let server = PublicUrl::parse("https://login.example.com").unwrap();
    Router::new().route("/notes", post(served)).layer(check.clone()).merge(check.metadata(&server))
}

async fn ask(app: Router, authorization: Option<&str>) -> Response {
    let mut request = Request::post("/notes");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// R6750-3.1-1, MCP-AUTH-2, MCP-AUTH-9
#[tokio::test]
async fn the_layer_lets_through_only_who_bears_a_good_token_with_the_scope() {
    assert_eq!(ask(app("notes.read"), Some("Bearer good")).await.status(), 200);
    assert_eq!(ask(app("notes.write"), Some("Bearer good")).await.status(), 403);
    assert_eq!(ask(app("notes.read"), Some("Bearer bad")).await.status(), 401);
    assert_eq!(ask(app("notes.read"), Some("Bearer a b")).await.status(), 400);
    let missing = ask(app("notes.read"), None).await;
    assert_eq!(missing.status(), 401);
    let challenge = missing.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("https://tools.example.com/.well-known/oauth-protected-resource/notes"),
        "{challenge}"
    );
}

/// R9728-3-1
#[tokio::test]
async fn the_resources_document_lies_where_the_challenge_says() {
    let request = Request::get("/.well-known/oauth-protected-resource/notes").body(Body::empty()).unwrap();
    assert_eq!(app("notes.read").oneshot(request).await.unwrap().status(), 200);
}
