//! The era of sessions, as the SDK 1.x speaks it: initialize, initialized, GET, list, call, DELETE.

use crate::draft::{Answer, Draft};
use crate::stage::{ALL, Stage, Token};
use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_database::testing::sqlite;
use portcullis_resource_server::oauth::{ClientId, Clock, PrincipalId, PrincipalKind, Seconds};
use serde_json::{Value, json};

fn message(method: &str, params: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params.into()})
}

async fn initialize(stage: &Stage, token: &Token, version: &str) -> Answer {
    let params =
        json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
    Draft::post("/mcp", &message("initialize", params)).bearing(token).at(stage).await
}

fn within(session: &str, body: &Value) -> Draft {
    Draft::post("/mcp", body).header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25")
}

both_engines! {
    /// HTTP25-1, HTTP25-6, HTTP25-7, HTTP25-8, HTTP25-9: the whole conversation
    async fn a_client_of_the_session_era_is_served_from_beginning_to_end(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let begun = initialize(&stage, &token, "2025-11-25").await;
        assert_eq!(begun.status, 200);
        assert_eq!(begun.header("content-type"), "application/json");
        assert_eq!(begun.body["result"]["protocolVersion"], "2025-11-25");
        assert_eq!(begun.body["result"]["capabilities"], json!({
    "tools": {"listChanged": true}, "prompts": {"listChanged": true}, "resources": {"listChanged": true, "subscribe": true}, "completions": {}, "logging": {}
}));
        assert_eq!(begun.body["result"]["serverInfo"]["name"], "portcullis");
        assert_eq!(begun.body["result"].get("resultType"), None);
        let session = begun.header("mcp-session-id").to_owned();
        assert!(session.starts_with("pcl_ms_"));

        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let answer = within(&session, &initialized).bearing(&token).at(&stage).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (202, &Value::Null));
        assert_eq!(answer.header("content-type"), "");
        let stream = || Draft::new(Method::GET, "/mcp").bearing(&token);
        let answer = stream().header("accept", "text/event-stream").at(&stage).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST, DELETE"), "without a session");
        let answer = stream().header("accept", "application/json").header("mcp-session-id", &session).at(&stage).await;
        assert_eq!(answer.status, 406);

        let listed = within(&session, &message("tools/list", json!({}))).bearing(&token).at(&stage).await;
        assert_eq!(listed.tool_names()[0], "sandbox__echo");
        assert_eq!(listed.body["result"].get("ttlMs"), None);
        let call = message("tools/call", json!({"name": "sandbox__echo", "arguments": {"message": "hello"}}));
        let echoed = within(&session, &call).bearing(&token).at(&stage).await;
        assert_eq!(echoed.tool(), ("hello", false));
        assert_eq!(echoed.body["id"], 1);
        let pong = within(&session, &message("ping", json!({}))).bearing(&token).at(&stage).await;
        assert_eq!(pong.body["result"], json!({}));

        let end = || Draft::new(Method::DELETE, "/mcp").header("mcp-session-id", &session).bearing(&token);
        assert_eq!(end().at(&stage).await.status, 204);
        assert_eq!(within(&session, &call).bearing(&token).at(&stage).await.status, 404);
        assert_eq!(end().at(&stage).await.status, 404);
    }

    /// HTTP25-10, SBP-7, T17, MCP-AUTH-8
    async fn a_session_is_its_bearers_alone_and_authenticates_nobody(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let alice = stage.token(ALL);
        let session = initialize(&stage, &alice, "2025-06-18").await.header("mcp-session-id").to_owned();
        let list = message("tools/list", json!({}));
        let bob = stage.token_of(&PrincipalId::generate(PrincipalKind::User), "/mcp", ALL);
        let other_client = stage.token(ALL);
        stage.change(&other_client, |token| token.client = ClientId::from("client_b".to_owned()));
        for token in [&bob, &other_client] {
            assert_eq!(within(&session, &list).bearing(token).at(&stage).await.status, 404);
            for method in [Method::GET, Method::DELETE] {
                let draft = Draft::new(method, "/mcp").header("mcp-session-id", &session);
                assert_eq!(draft.bearing(token).at(&stage).await.status, 404);
            }
        }
        assert_eq!(within(&session, &list).at(&stage).await.status, 401);
        assert_eq!(within(&session, &list).bearing(&alice).at(&stage).await.status, 200);
        assert_eq!(stage.reasons().await.iter().filter(|reason| *reason == "session_unknown").count(), 6);
    }

    /// Sessions end after seven days, and the sweep removes them
    async fn a_session_ends_after_seven_days(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        stage.change(&token, |token| token.expires_at = token.expires_at.plus(Seconds::days(30)));
        let session = initialize(&stage, &token, "2025-11-25").await.header("mcp-session-id").to_owned();
        let list = message("tools/list", json!({}));
        stage.clock.advance(Seconds::days(7));
        assert_eq!(within(&session, &list).bearing(&token).at(&stage).await.status, 404);
        stage.gateway.sweep(stage.clock.now()).await.unwrap();
        let fresh = initialize(&stage, &token, "2025-11-25").await.header("mcp-session-id").to_owned();
        assert_eq!(within(&fresh, &list).bearing(&token).at(&stage).await.status, 200);
    }
}

/// HTTP25-8, HTTP25-11
#[tokio::test]
async fn what_a_session_lacks_is_a_bad_request() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let list = message("tools/list", json!({}));
    let without = Draft::post("/mcp", &list).bearing(&token).at(&stage).await;
    assert_eq!(without.status, 400);
    let session = initialize(&stage, &token, "2025-06-18").await.header("mcp-session-id").to_owned();
    for (version, status) in
        [("1999-01-01", 400), ("2024-11-05", 400), ("nonsense", 400), ("2025-06-18", 200)]
    {
        let draft = Draft::post("/mcp", &list).header("mcp-session-id", &session);
        let answer = draft.header("mcp-protocol-version", version).bearing(&token).at(&stage).await;
        assert_eq!(answer.status.as_u16(), status, "{version}");
    }
    let absent = Draft::post("/mcp", &list).header("mcp-session-id", &session).bearing(&token);
    assert_eq!(absent.at(&stage).await.status, 200);
}

/// HTTP26-22: the era is told by how a client begins; 2024-11-05 negotiates up; so does whoever asks for a revision without sessions
#[tokio::test]
async fn a_revision_is_negotiated() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    for (asked, answered) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2024-11-05", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let answer = initialize(&stage, &token, asked).await;
        assert_eq!(answer.body["result"]["protocolVersion"], answered);
    }
}

/// HTTP25-6: a posted response is accepted in this era; unknown methods are JSON-RPC errors with status 200
#[tokio::test]
async fn responses_are_taken_and_unknown_methods_named() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let session = initialize(&stage, &token, "2025-11-25").await.header("mcp-session-id").to_owned();
    let response = json!({"jsonrpc": "2.0", "id": 3, "result": {}});
    assert_eq!(within(&session, &response).bearing(&token).at(&stage).await.status, 202);
    let unknown = within(&session, &message("tasks/list", json!({}))).bearing(&token).at(&stage).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (200, -32601));
}
