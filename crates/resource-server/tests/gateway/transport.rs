//! What comes before the message: host, origin, CORS, media types, size and strict JSON.

use crate::draft::Draft;
use crate::stage::{ALL, Stage};
use axum::http::Method;
use portcullis_database::testing::sqlite;
use serde_json::json;

fn list() -> Draft {
    Draft::modern("/mcp", "tools/list", json!({}))
}

/// HTTP25-2, T21
#[tokio::test]
async fn foreign_origins_and_hosts_get_nowhere_with_any_method() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    for method in [Method::POST, Method::GET, Method::DELETE, Method::OPTIONS] {
        for origin in ["https://evil.example", "null", "http://localhost:9999"] {
            let draft = Draft::new(method.clone(), "/mcp").header("origin", origin).bearing(&token);
            assert_eq!(draft.at(&stage).await.status, 403, "{method} {origin}");
        }
        let draft = Draft::new(method.clone(), "/mcp").without("host").header("host", "rebound.example");
        assert_eq!(draft.bearing(&token).at(&stage).await.status, 403, "{method}");
    }
    assert_eq!(
        list().header("origin", "https://evil.example").at(&stage).await.status,
        403,
        "before authentication"
    );
    for origin in ["http://localhost:8420", "http://127.0.0.1:8420", "https://inspector.example"] {
        assert_eq!(list().header("origin", origin).bearing(&token).at(&stage).await.status, 200, "{origin}");
    }
    for host in ["127.0.0.1:8420", "[::1]:8420"] {
        assert_eq!(list().without("host").header("host", host).bearing(&token).at(&stage).await.status, 200);
    }
}

/// DC-17, ASVS-3.4.2
#[tokio::test]
async fn an_allowed_page_can_ask_first_and_read_the_challenge() {
    let stage = Stage::set(sqlite().await).await;
    let preflight = Draft::new(Method::OPTIONS, "/mcp")
        .header("origin", "https://inspector.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,mcp-protocol-version,mcp-method",
        )
        .at(&stage)
        .await;
    assert!(preflight.status.is_success());
    assert_eq!(preflight.header("access-control-allow-origin"), "https://inspector.example");
    assert!(preflight.header("access-control-allow-headers").contains("mcp-method"));
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    let challenged = list().header("origin", "https://inspector.example").at(&stage).await;
    assert_eq!(challenged.status, 401);
    assert_eq!(challenged.header("access-control-allow-origin"), "https://inspector.example");
    let exposed = challenged.header("access-control-expose-headers").to_lowercase();
    assert!(exposed.contains("www-authenticate") && exposed.contains("mcp-session-id"), "{exposed}");
}

/// HTTP25-4
#[tokio::test]
async fn only_an_answer_that_cannot_be_taken_is_not_acceptable() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    for (accept, status) in [
        ("text/event-stream, application/json", 200),
        ("*/*", 200),
        ("application/*;q=0.5", 200),
        ("text/html", 406),
        ("text/event-stream", 406),
        ("application/json;q=0", 406),
    ] {
        let answer = list().without("accept").header("accept", accept).bearing(&token).at(&stage).await;
        assert_eq!(answer.status.as_u16(), status, "{accept}");
    }
    assert_eq!(list().without("accept").bearing(&token).at(&stage).await.status, 200);
    let form = list().without("content-type").header("content-type", "text/plain").bearing(&token);
    assert_eq!(form.at(&stage).await.status, 415);
}

/// T23, T24, MCP-AUTH-7
#[tokio::test]
async fn a_body_that_could_be_read_two_ways_is_not_read_at_all() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let call = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"sandbox__echo","arguments":{arguments}}}}}"#
        )
    };
    for body in [
        call(r#"{"message":"a","message":"b"}"#),
        call(r#"{"message":"\u0000"}"#),
        call(r#"{"message":"\ud800"}"#),
        call(r#"{"message":9007199254740993}"#),
        call(r#"{"message":1e400}"#),
        "not json".to_owned(),
        String::new(),
    ] {
        let answer = Draft::raw("/mcp", body.clone()).bearing(&token).at(&stage).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, -32700), "{body}");
        assert_eq!(answer.body.get("id"), None);
    }
    let huge = call(&format!("{{\"message\":\"{}\"}}", "x".repeat(1024 * 1024)));
    assert_eq!(Draft::raw("/mcp", huge).bearing(&token).at(&stage).await.status, 413);
}

/// Both forms of the aggregate's path are the endpoint; no form of a bad alias is
#[tokio::test]
async fn both_forms_of_the_path_route_without_a_redirect() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let slash = Draft::modern("/mcp/", "tools/list", json!({})).bearing(&token).at(&stage).await;
    assert_eq!(slash.status, 200);
    for path in ["/mcp/Bad_Alias", "/mcp/gateway"] {
        assert_eq!(stage.send(Draft::new(Method::GET, path).request()).await.status(), 404, "{path}");
    }
}
