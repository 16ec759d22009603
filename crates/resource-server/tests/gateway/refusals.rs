//! The paper trail of what was refused: one event for each refusal, whatever step of the pipeline it was, with its reason.

use crate::draft::Draft;
use crate::stage::{ALL, Stage, Token};
use axum::http::Method;
use portcullis_database::{both_engines, on};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::oauth::Seconds;
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

/// A secret that no answer may hold.
const CANARY: &str = "pcl_at_a_very_long_canary";

fn list() -> Draft {
    Draft::modern("/mcp", "tools/list", json!({}))
}

fn tool(name: &str, arguments: &Value) -> Draft {
    Draft::modern("/mcp", "tools/call", json!({"name": name, "arguments": arguments}))
}

/// What is refused before anybody knows who asks, and for what the bearer is.
fn at_the_door(token: &Token, expired: &Token, reader: &Token) -> Vec<(Draft, &'static str)> {
    let bare = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let twice = json!({"name": "sandbox__echo", "arguments": {"message": token.text}});
    vec![
        (list().without("host").header("host", "rebound.example"), "host"),
        (list().header("origin", "https://evil.example").bearing(token), "origin"),
        (list(), "token_missing"),
        (list().bearing(token).bearing(token), "token_malformed"),
        (list().bearing(expired), "token_invalid"),
        (list().without("accept").header("accept", "text/html").bearing(token), "accept"),
        (list().without("content-type").header("content-type", "text/plain").bearing(token), "content_type"),
        (Draft::raw("/mcp", "x".repeat(1024 * 1024 + 1)).bearing(token), "body_size"),
        (Draft::raw("/mcp", r#"{"a":1,"a":2}"#).bearing(token), "body_json"),
        (Draft::raw("/mcp", "[]").bearing(token), "batch"),
        (Draft::raw("/mcp", "{}").bearing(token), "envelope"),
        (Draft::modern("/mcp", "tools/call", twice).bearing(token), "token_in_body"),
        (list().without("mcp-method").header("mcp-method", "tools/call").bearing(token), "header_mismatch"),
        (
            list()
                .without("mcp-protocol-version")
                .header("mcp-protocol-version", "2999-01-01")
                .bearing(token),
            "header_mismatch",
        ),
        (Draft::post("/mcp", &bare).bearing(token), "session_missing"),
        (Draft::post("/mcp", &bare).header("mcp-session-id", "guess").bearing(token), "session_unknown"),
        (tool("sandbox__echo", &json!({"message": "x"})).bearing(reader), "scope_missing"),
    ]
}

/// What is refused to somebody who is known.
fn inside(token: &Token) -> Vec<(Draft, &'static str)> {
    vec![
        (Draft::modern("/mcp", "tools/dance", json!({})).bearing(token), "unknown_method"),
        (Draft::modern("/mcp", "resources/read", json!({})).bearing(token), "invalid_params"),
        (Draft::modern("/mcp", "tools/list", json!({"cursor": "guess"})).bearing(token), "cursor_unknown"),
        (tool("nobody__echo", &json!({})).bearing(token), "connection_unknown"),
        (tool("sandbox__dance", &json!({})).bearing(token), "tool_unknown"),
        (tool("sandbox__echo", &json!({"message": 7})).bearing(token), "arguments_invalid"),
        (tool("waits__echo", &json!({})).bearing(token), "tool_quarantined"),
    ]
}

both_engines! {
    /// T46: exactly one event for each refusal, with its reason; and no answer says the secret that it was asked with
    async fn each_refusal_is_one_event_with_its_reason(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect_with("waits", &upstream.url("/stateless"), (NewTools::Quarantine, None)).await;
        let (token, expired, reader) = (stage.token(ALL), stage.token(ALL), stage.token("mcp.tools.read"));
        stage.change(&token, |token| CANARY.clone_into(&mut token.text));
        stage.change(&expired, |token| token.expires_at = token.expires_at.minus(Seconds(7_200)));
        let token = Token { text: CANARY.to_owned(), ..token };
        // What is seen for the first time has events of its own.
        stage.clock.advance(Seconds(1));
        Draft::modern("/mcp", "tools/list", json!({})).bearing(&token).at(&stage).await;
        let refused = at_the_door(&token, &expired, &reader).into_iter().chain(inside(&token));
        let mut expected = stage.reasons().await;
        for (draft, reason) in refused {
            let before = events(&stage).await;
            stage.clock.advance(Seconds(1));
            let answer = draft.at(&stage).await;
            expected.push(reason.to_owned());
            assert_eq!(stage.reasons().await, expected, "{}", answer.body);
            assert_eq!(events(&stage).await, before + 1, "{reason}");
            assert!(!format!("{answer:?}").contains(CANARY), "{reason}");
        }
        // What is no message has its line too.
        stage.clock.advance(Seconds(1));
        Draft::new(Method::DELETE, "/mcp").at(&stage).await;
        expected.push("token_missing".to_owned());
        assert_eq!(stage.reasons().await, expected);
    }
}

async fn events(stage: &Stage) -> i64 {
    let (count,): (i64,) = on!(stage.database.read(), |pool| {
        sqlx::query_as("SELECT count(*) FROM audit_event").fetch_one(pool).await
    })
    .unwrap();
    count
}
