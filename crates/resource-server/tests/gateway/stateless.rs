//! The stateless era, 2026-07-28: headers agree with the body, and every request stands alone.

use crate::draft::{Answer, Draft, call};
use crate::stage::{ALL, Stage, Token};
use axum::http::Method;
use portcullis_database::testing::sqlite;
use serde_json::{Value, json};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

fn body(method: &str, meta: Value) -> Value {
    let mut params = json!({"name": "sandbox__echo", "arguments": {"message": "x"}});
    params["_meta"] = meta;
    json!({"jsonrpc": "2.0", "id": "a-string", "method": method, "params": params})
}

fn meta(version: &str) -> Value {
    json!({VERSION: version, CAPABILITIES: {}})
}

async fn post(stage: &Stage, token: &Token, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let draft = Draft::post("/mcp", body).bearing(token);
    headers.iter().fold(draft, |draft, (name, value)| draft.header(name, value)).at(stage).await
}

/// HTTP26-17, HTTP26-20, and what the SDK needs to believe that there are tools
#[tokio::test]
async fn the_server_is_discovered_before_anything_else() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token("mcp.tools.read");
    let mut probe = body("server/discover", meta("2026-07-28"));
    probe["id"] = json!("server-discover-probe-1");
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")];
    let answer = post(&stage, &token, &probe, &headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["id"], "server-discover-probe-1");
    assert_eq!(
        answer.body["result"]["supportedVersions"],
        json!(["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"])
    );
    assert_eq!(
        answer.body["result"]["capabilities"],
        json!({
            "tools": {"listChanged": true}, "prompts": {"listChanged": true}, "resources": {"listChanged": true, "subscribe": true}, "completions": {}, "logging": {}
        })
    );
    assert_eq!(answer.body["result"]["resultType"], "complete");
    assert_eq!(answer.body["result"]["cacheScope"], "private");
    assert_eq!(answer.body["result"]["ttlMs"], 0);
    assert_eq!(answer.body["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "portcullis");
    assert_eq!(answer.body.as_object().unwrap().len(), 3, "the envelope holds nothing else");
}

/// HTTP26-1, HTTP26-17, HTTP26-19, HTTP26-20
#[tokio::test]
async fn tools_are_listed_and_called_without_any_session() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let listed =
        Draft::modern("/mcp", "tools/list", json!({})).header("mcp-session-id", "pcl_ms_x").bearing(&token);
    let listed = listed.at(&stage).await;
    assert_eq!(listed.header("mcp-session-id"), "");
    let result = &listed.body["result"];
    assert_eq!(
        (&result["resultType"], &result["ttlMs"], &result["cacheScope"]),
        (&json!("complete"), &json!(0), &json!("private"))
    );
    assert_eq!(result["tools"][0]["inputSchema"]["type"], "object");
    assert_eq!(result["tools"][0]["annotations"]["readOnlyHint"], true);
    let called = call(&stage, &token, "sandbox__echo", json!({"message": "hello"})).await;
    assert_eq!(called.tool(), ("hello", false));
    assert_eq!(called.body["result"]["resultType"], "complete");
    for method in [Method::GET, Method::DELETE] {
        let draft = Draft::new(method, "/mcp").header("mcp-protocol-version", "2026-07-28");
        assert_eq!(draft.header("mcp-session-id", "x").bearing(&token).at(&stage).await.status, 405);
    }
}

/// HTTP26-2, HTTP26-4, HTTP26-5, HTTP26-6, HTTP26-12, T22
#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let (version, method) = (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"));
    let name = ("mcp-name", "sandbox__echo");
    let body = body("tools/call", meta("2026-07-28"));
    for headers in [
        &[method, name][..],
        &[("mcp-protocol-version", "2025-11-25"), method, name],
        &[version, name],
        &[version, ("mcp-method", "tools/list"), name],
        &[version, ("mcp-method", "Tools/Call"), name],
        &[version, method],
        &[version, method, ("mcp-name", "Sandbox__echo")],
        &[version, method, ("mcp-name", "sandbox__fail")],
        &[version, method, ("mcp-name", "=?base64?####?=")],
        &[version, method, ("mcp-name", "=?BASE64?c2FuZGJveF9fZWNobw==?=")],
        &[version, method, name, name],
        &[version, method, method, name],
    ] {
        let answer = post(&stage, &token, &body, headers).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, -32020), "{headers:?}");
        assert_eq!(answer.body["id"], "a-string", "the id is echoed");
    }
    for agreeing in [("Mcp-Name", "sandbox__echo"), ("mcp-name", "=?base64?c2FuZGJveF9fZWNobw==?=")] {
        assert_eq!(post(&stage, &token, &body, &[version, method, agreeing]).await.status, 200);
    }
}

/// HTTP26-12: an older version header does not smuggle unchecked names past anybody
#[tokio::test]
async fn names_in_headers_are_refused_where_nobody_would_check_them() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    let begun = post(&stage, &token, &begin, &[]).await;
    let session =
        [("mcp-session-id", begun.header("mcp-session-id")), ("mcp-protocol-version", "2025-11-25")];
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "sandbox__fail"}});
    for said in [("mcp-name", "sandbox__echo"), ("mcp-method", "tools/list")] {
        let answer = post(&stage, &token, &body, &[&session[..], &[said]].concat()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, -32020), "{said:?}");
    }
    let agreed = [&session[..], &[("mcp-name", "sandbox__fail"), ("mcp-method", "tools/call")]].concat();
    assert_eq!(post(&stage, &token, &body, &agreed).await.status, 200);
}

/// HTTP26-3, HTTP26-8, DC-26
#[tokio::test]
async fn an_envelope_is_complete_and_of_a_known_revision() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let method = ("mcp-method", "tools/call");
    let unknown = body("tools/call", meta("1900-01-01"));
    let answer = post(&stage, &token, &unknown, &[("mcp-protocol-version", "1900-01-01"), method]).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, -32022));
    assert_eq!(answer.body["error"]["data"]["requested"], "1900-01-01");
    assert_eq!(answer.body["error"]["data"]["supported"][0], "2026-07-28");
    let version = ("mcp-protocol-version", "2026-07-28");
    for meta in [
        json!({CAPABILITIES: {}}),
        json!({VERSION: "2026-07-28"}),
        json!({VERSION: 1, CAPABILITIES: {}}),
        json!(null),
    ] {
        let answer = post(&stage, &token, &body("tools/call", meta), &[version, method]).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, -32602));
    }
    let complete = body("tools/call", meta("2026-07-28"));
    let headers = [version, method, ("mcp-name", "sandbox__echo")];
    assert_eq!(post(&stage, &token, &complete, &headers).await.status, 200, "clientInfo may be absent");
}

/// HTTP26-7, HTTP26-14, HTTP26-18, HTTP25-5, MRTR-4
#[tokio::test]
async fn what_this_era_does_not_know_is_named() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    for method in ["initialize", "ping", "tasks/list", "logging/setLevel"] {
        let answer = Draft::modern("/mcp", method, json!({})).bearing(&token).at(&stage).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, -32601), "{method}");
    }
    let version = [("mcp-protocol-version", "2026-07-28")];
    for refused in [
        json!([]),
        json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
    ] {
        let answer = post(&stage, &token, &refused, &version).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, -32600), "{refused}");
    }
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(post(&stage, &token, &cancelled, &version).await.status, 202);
    let params = json!({"name": "sandbox__echo", "arguments": {"message": "x"}, "requestState": "forged"});
    let forged = Draft::modern("/mcp", "tools/call", params).bearing(&token).at(&stage).await;
    assert_eq!(forged.code(), -32602);
}

/// T22, HTTP26-2: a notification's headers may be absent, but what they say is what its body says
#[tokio::test]
async fn a_notification_whose_headers_disagree_is_refused() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let notification =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let mut claiming = notification.clone();
    claiming["params"]["_meta"] = meta("2025-11-25");
    for (body, method, status) in [
        (&notification, "notifications/cancelled", 202),
        (&notification, "tools/call", 400),
        (&claiming, "notifications/cancelled", 400),
    ] {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        assert_eq!(post(&stage, &token, body, &headers).await.status, status, "{method}");
    }
}
