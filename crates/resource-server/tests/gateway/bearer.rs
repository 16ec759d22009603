//! The bearer check at the endpoint: 400, 401, 403 and 503, for every method, and metadata that says where to go.

use crate::draft::{Draft, call};
use crate::stage::{ALL, Stage};
use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_database::testing::sqlite;
use portcullis_database::{Change, ChangeKind};
use portcullis_resource_server::oauth::{Seconds, Secret};
use serde_json::json;

fn list() -> Draft {
    Draft::modern("/mcp", "tools/list", json!({}))
}

/// MCP-AUTH-2, MCP-AUTH-7, MCP-AUTH-12, R6750-3-1, R6750-3-2, R9728-5.1-1, DC-21
#[tokio::test]
async fn without_a_token_every_method_is_challenged_and_told_of_no_error() {
    let stage = Stage::set(sqlite().await).await;
    for draft in [
        list(),
        Draft::raw("/mcp", ""),
        Draft::new(Method::GET, "/mcp"),
        Draft::new(Method::DELETE, "/mcp"),
        Draft::new(Method::GET, "/mcp/"),
        list().header("authorization", "Basic YTpi"),
    ] {
        let answer = draft.at(&stage).await;
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer scope="mcp.resources.read mcp.tools.execute mcp.tools.read", resource_metadata="http://localhost:8420/.well-known/oauth-protected-resource/mcp""#
        );
    }
    let answer = Draft::new(Method::GET, "/mcp/work").at(&stage).await;
    assert!(answer.header("www-authenticate").contains("oauth-protected-resource/mcp/work\""));
}

/// OA21-5-1, MCP-AUTH-6, MCP-AUTH-7, T05, T06, R6750-3.1-1
#[tokio::test]
async fn a_token_that_is_not_good_here_is_invalid_whatever_the_reason() {
    let stage = Stage::set(sqlite().await).await;
    let expired = stage.token(ALL);
    stage.change(&expired, |token| token.expires_at = token.expires_at.minus(Seconds(3_600)));
    let at_alias = stage.token_of(&stage.alice.clone(), "/mcp/sandbox", ALL);
    let good = stage.token(ALL);
    for (draft, why) in [
        (list().bearing(&expired), "expired"),
        (list().bearing(&at_alias), "another resource"),
        (list().header("authorization", "Bearer pcl_rt_something"), "unknown"),
        (Draft::modern("/mcp/sandbox", "tools/list", json!({})).bearing(&good), "another resource"),
        (Draft::modern("/mcp/other", "tools/list", json!({})).bearing(&at_alias), "another resource"),
    ] {
        let answer = draft.at(&stage).await;
        assert_eq!(answer.status, 401);
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with(r#"Bearer error="invalid_token""#), "{challenge}");
        assert!(challenge.contains(why), "{challenge}");
    }
    assert_eq!(list().bearing(&good).at(&stage).await.status, 200);
}

/// OA21-5.1-1, OA21-5.1.1-1, OA21-5.1-2, R6750-3.1-1
#[tokio::test]
async fn a_token_comes_in_one_header_and_nowhere_else() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let answer =
        Draft::modern(&format!("/mcp?access_token={}", token.text), "tools/list", json!({})).at(&stage).await;
    assert_eq!(answer.status, 401);
    let twice = list().bearing(&token).bearing(&token).at(&stage).await;
    assert_eq!((twice.status.as_u16(), &twice.body["error"]), (400, &json!("invalid_request")));
    let two = list().header("authorization", &format!("Bearer {0} {0}", token.text)).at(&stage).await;
    assert_eq!(two.status, 400);
    let odd_case = list().header("authorization", &format!("bEaReR {}", token.text)).at(&stage).await;
    assert_eq!(odd_case.status, 200);
}

/// MCP-AUTH-9, MCP-AUTH-10, DC-23, T10
#[tokio::test]
async fn too_little_scope_is_a_step_up_that_names_what_to_ask_for() {
    let stage = Stage::set(sqlite().await).await;
    let reader = stage.token("mcp.tools.read");
    let answer = call(&stage, &reader, "sandbox__echo", json!({"message": "x"})).await;
    assert_eq!(answer.status, 403);
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with(r#"Bearer error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="mcp.tools.execute","#), "{challenge}");
    assert!(challenge.contains("resource_metadata="), "{challenge}");
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    let session = Draft::post("/mcp", &initialize).bearing(&reader).at(&stage).await;
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "sandbox__echo"}});
    let draft = Draft::post("/mcp", &body).header("mcp-session-id", session.header("mcp-session-id"));
    let answer = draft.bearing(&reader).at(&stage).await;
    assert_eq!(answer.status, 403);
    assert!(answer.header("www-authenticate").contains(r#"scope="mcp.tools.execute mcp.tools.read""#));
    assert_eq!(stage.reasons().await, ["scope_missing", "scope_missing"]);
}

/// ASVS-16.5.1: fails closed
#[tokio::test]
async fn a_token_that_cannot_be_checked_is_neither_good_nor_bad() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    *stage.verifier.broken.lock().unwrap() = true;
    let answer = list().bearing(&token).at(&stage).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
}

both_engines! {
    /// R7662-4-1, MCP-AUTH-8: remembered, but never past its end, a change, or a late feed
    async fn a_verified_token_is_remembered_until_something_changes(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let asked = || *stage.verifier.asked.lock().unwrap();
        for _ in 0..3 {
            stage.changes.read().await.unwrap();
            assert_eq!(list().bearing(&token).at(&stage).await.status, 200);
        }
        assert_eq!(asked(), 1);
        for (kind, subject, dropped) in [
            (ChangeKind::User, stage.alice.to_string(), true),
            (ChangeKind::User, "user_other".to_owned(), false),
            (ChangeKind::Client, token.client.to_string(), true),
            (ChangeKind::Grant, token.grant.to_string(), true),
            (ChangeKind::Token, Secret::presented(token.text.as_str()).hash().as_str().to_owned(), true),
            (ChangeKind::Connection, stage.sandbox.id.to_string(), true),
            (ChangeKind::McpSession, token.grant.to_string(), false),
        ] {
            let before = asked();
            stage.changes.publish(&Change::new(kind, subject));
            stage.changes.read().await.unwrap();
            assert_eq!(list().bearing(&token).at(&stage).await.status, 200);
            assert_eq!(asked() - before, u32::from(dropped), "{kind:?}");
        }
        stage.changes.read().await.unwrap();
        stage.clock.advance(Seconds(3_600));
        assert_eq!(list().bearing(&token).at(&stage).await.status, 401);
    }
}

/// R7662-4-1: who is not told of changes does not rely on memory
#[tokio::test]
async fn while_the_feed_is_late_every_token_is_asked_for_again() {
    let stage = Stage::deaf(sqlite().await).await;
    let token = stage.token(ALL);
    for asked in 1..4 {
        assert_eq!(list().bearing(&token).at(&stage).await.status, 200);
        assert_eq!(*stage.verifier.asked.lock().unwrap(), asked);
    }
}

/// R9728-2-1, R9728-2-2, R9728-3-1, R9728-3.2-1, R9728-3.3-1, MCP-AUTH-1, MCP-AUTH-12, R9728-7.2-1
#[tokio::test]
async fn each_resource_has_its_own_document_readable_from_anywhere() {
    let stage = Stage::set(sqlite().await).await;
    for (path, resource) in [("", "/mcp"), ("/mcp", "/mcp"), ("/mcp/nobodys", "/mcp/nobodys")] {
        let draft = Draft::new(Method::GET, &format!("/.well-known/oauth-protected-resource{path}"));
        let answer = draft
            .without("host")
            .header("host", "proxy.internal")
            .header("origin", "https://any.example")
            .at(&stage)
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.body["resource"], format!("http://localhost:8420{resource}"));
        assert_eq!(answer.body["authorization_servers"], json!(["http://localhost:8420"]));
        assert_eq!(
            answer.body["scopes_supported"],
            json!(["mcp.tools.read", "mcp.tools.execute", "mcp.resources.read"])
        );
        assert_eq!(answer.body["bearer_methods_supported"], json!(["header"]));
    }
    for nothing in ["/mcp/Bad", "/mcp/a/b", "/other", "/mcp/gateway"] {
        let draft = Draft::new(Method::GET, &format!("/.well-known/oauth-protected-resource{nothing}"));
        assert_eq!(draft.at(&stage).await.status, 404, "{nothing}");
    }
    let preflight = Draft::new(Method::OPTIONS, "/.well-known/oauth-protected-resource/mcp")
        .header("origin", "https://any.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "mcp-protocol-version")
        .at(&stage)
        .await;
    assert_eq!(preflight.header("access-control-allow-headers"), "mcp-protocol-version");
}
