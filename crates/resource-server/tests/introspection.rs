//! The verifier that asks over HTTP, against an authorization server of the story's own.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on falls over")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use portcullis_resource_server::oauth::{PublicUrl, ResourceUri, ScopeSet, Secret, Timestamp};
use portcullis_resource_server::{IntrospectionVerifier, VerifiedBearer, Verifier, VerifyError};

const NOTES: &str = "https://notes.example.com/mcp";

/// What the authorization server says, and how often it was asked.
#[derive(Clone, Default)]
struct Server {
    says: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

async fn answer(State(server): State<Server>, headers: HeaderMap, body: String) -> impl IntoResponse {
    server.asked.fetch_add(1, Ordering::SeqCst);
    // client_1:pcl_cs_x
    assert_eq!(headers["authorization"], "Basic Y2xpZW50XzE6cGNsX2NzX3g=");
    assert_eq!(body, "token=pcl_at_good");
    let (status, body) = server.says.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:1/")], body)
}

impl Server {
    async fn start() -> (Self, IntrospectionVerifier) {
        let server = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = PublicUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let app = Router::new().route("/oauth/introspect", post(answer)).with_state(server.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        (server, IntrospectionVerifier::new(&issuer, "client_1", "pcl_cs_x").unwrap())
    }

    fn says(&self, status: u16, body: &str) {
        *self.says.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A live token's description, with one member replaced or added.
fn active(member: &str, value: &str) -> String {
    let members = [
        ("active", "true"),
        ("aud", "\"https://notes.example.com/mcp\""),
        ("sub", "\"user_1\""),
        ("client_id", "\"client_9\""),
        ("scope", "\"read write\""),
        ("exp", "1000"),
    ];
    let mut kept: Vec<String> = members
        .iter()
        .filter(|(name, _)| *name != member)
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    if !value.is_empty() {
        kept.push(format!("\"{member}\":{value}"));
    }
    format!("{{{}}}", kept.join(","))
}

async fn ask(verifier: &IntrospectionVerifier, seconds: i64) -> Result<VerifiedBearer, VerifyError> {
    let (token, resource) = (Secret::presented("pcl_at_good"), ResourceUri::parse(NOTES).unwrap());
    verifier.verify(&token, &resource, Timestamp::from_micros(seconds * 1_000_000)).await
}

/// R7662-4-1: remembered for a minute, never beyond the token's own end, and without the token
#[tokio::test]
async fn an_answer_is_remembered_for_a_minute_and_never_beyond_the_tokens_end() {
    let (server, verifier) = Server::start().await;
    server.says(200, &active("", ""));
    let bearer = ask(&verifier, 0).await.unwrap();
    assert_eq!(bearer.effective_scope(), ScopeSet::from_iter(["read", "write"]));
    assert_eq!((bearer.principal().id.as_str(), bearer.client_id().as_str()), ("user_1", "client_9"));
    assert!(ask(&verifier, 59).await.is_ok());
    assert_eq!(server.asked(), 1);
    assert!(ask(&verifier, 60).await.is_ok());
    assert_eq!(server.asked(), 2);
    assert!(ask(&verifier, 990).await.is_ok());
    server.says(200, r#"{"active":false}"#);
    assert!(ask(&verifier, 999).await.is_ok());
    assert!(matches!(ask(&verifier, 1000).await, Err(VerifyError::Invalid(_))));
    assert_eq!(server.asked(), 4, "what is not good is not remembered");
    assert!(!format!("{verifier:?}").contains("pcl_"));
}

/// A26, A62, R7662-2.2-1: another audience, several audiences, another issuer, a bound token
#[tokio::test]
async fn what_is_not_for_this_resource_is_refused_whatever_is_said_of_it() {
    let (server, verifier) = Server::start().await;
    for (member, value) in [
        ("active", "false"),
        ("aud", "\"https://notes.example.com/mcp2\""),
        ("aud", "\"https://notes.example.com\""),
        ("aud", "\"https://notes.example.com.evil.example/mcp\""),
        ("aud", "[\"https://notes.example.com/mcp\",\"https://other.example/mcp\"]"),
        ("aud", "[]"),
        ("aud", ""),
        ("iss", "\"https://evil.example\""),
        ("token_type", "\"DPoP\""),
        ("token_type", "\"MAC\""),
        ("cnf", "{\"jkt\":\"x\"}"),
        ("cnf", "{}"),
        ("cnf", "{\"x5t#S256\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}"),
        ("exp", "0"),
    ] {
        server.says(200, &active(member, value));
        assert!(matches!(ask(&verifier, 0).await, Err(VerifyError::Invalid(_))), "{member} {value}");
    }
    server.says(200, &active("aud", "[\"https://NOTES.example.com:443/mcp\"]"));
    assert!(ask(&verifier, 0).await.is_ok());
}

/// R9449-5-1, R9449-7.2-1: what is said of type and key must agree, and the key comes along, for whoever checks the proof
#[tokio::test]
async fn a_bound_token_comes_with_its_key() {
    let (server, verifier) = Server::start().await;
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let cnf = format!("{{\"jkt\":\"{jkt}\"}}");
    let typed = |kind: &str| {
        active("cnf", &cnf).replace("{\"active\"", &format!("{{\"token_type\":\"{kind}\",\"active\""))
    };
    server.says(200, &typed("Bearer"));
    assert!(matches!(ask(&verifier, 0).await, Err(VerifyError::Invalid(_))));
    for says in [active("cnf", &cnf), typed("DPoP"), typed("dpop")] {
        server.says(200, &says);
        let bearer = ask(&verifier, 0).await.unwrap();
        assert_eq!(bearer.confirmation().map(portcullis_oauth::JwkThumbprint::as_str), Some(jkt));
    }
}

/// ASVS-16.5.1: it fails closed, as 503, and asks again next time
#[tokio::test]
async fn what_could_not_be_asked_is_not_let_in() {
    let (server, verifier) = Server::start().await;
    let huge = format!("{{\"active\":true,\"x\":\"{}\"}}", "x".repeat(70_000));
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (403, "{}"),
        (429, "{}"),
        (500, &active("", "")),
        (302, &active("", "")),
        (200, "not json"),
        (200, "{}"),
        (200, &active("exp", "")),
        (200, &active("sub", "")),
        (200, &huge),
    ] {
        server.says(status, body);
        assert!(matches!(ask(&verifier, 0).await, Err(VerifyError::Unavailable(_))), "{status} {body:.80}");
    }
    let nobody = PublicUrl::parse("http://127.0.0.1:1").unwrap();
    let alone = IntrospectionVerifier::new(&nobody, "client_1", "pcl_cs_x").unwrap();
    assert!(matches!(ask(&alone, 0).await, Err(VerifyError::Unavailable(_))));
    server.says(200, &active("", ""));
    assert!(ask(&verifier, 0).await.is_ok());
}

#[test]
fn a_secret_does_not_travel_in_clear() {
    let issuer = PublicUrl::parse("http://login.example.com").unwrap();
    assert!(IntrospectionVerifier::new(&issuer, "client_1", "pcl_cs_x").is_err());
}
