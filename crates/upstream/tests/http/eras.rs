//! Which era a server speaks, and what of it shows in headers and bodies.

use portcullis_upstream::{Request, Revision, Transport};
use serde_json::json;

use crate::stage::{Listener, Stage, call, raw, text};

fn methods(stage: &Stage) -> Vec<String> {
    stage.upstream.seen().into_iter().map(|seen| seen.method).collect()
}

#[tokio::test]
async fn the_stateless_era_is_tried_first_and_sessions_are_fallen_back_to() {
    for (path, revision, first) in [
        ("/mcp", Revision::V2026_07_28, &["server/discover"][..]),
        ("/stateless", Revision::V2026_07_28, &["server/discover"]),
        ("/sessions", Revision::V2025_11_25, &["server/discover", "initialize", "notifications/initialized"]),
        ("/json", Revision::V2025_11_25, &["server/discover", "initialize", "notifications/initialized"]),
    ] {
        let stage = Stage::new().await;
        let greeting = stage.pool.greeting(&stage.at(path)).await.unwrap();
        assert_eq!(greeting.revision, revision, "{path}");
        assert!(greeting.result.get().contains("fixture-upstream"), "{path}");
        let result = stage.call(path, "test_simple_text", &json!({})).await.unwrap();
        assert_eq!(text(&result), "This is a simple text response for testing.");
        assert_eq!(methods(&stage), [first, &["tools/call"]].concat(), "{path}: opened once");
    }
}

#[tokio::test]
async fn what_was_remembered_is_tried_first_and_mended_when_it_is_wrong() {
    for (path, remembered, first) in [
        ("/sessions", Revision::V2025_11_25, &["initialize"][..]),
        ("/mcp", Revision::V2026_07_28, &["server/discover"]),
        ("/stateless", Revision::V2025_06_18, &["initialize", "server/discover"]),
        ("/sessions", Revision::V2026_07_28, &["server/discover", "initialize"]),
    ] {
        let stage = Stage::new().await;
        let mut endpoint = stage.at(path);
        endpoint.remembered = Some(remembered);
        stage.pool.greeting(&endpoint).await.unwrap();
        assert_eq!(methods(&stage)[..first.len()], *first, "{path} remembered as {remembered:?}");
    }
}

#[tokio::test]
async fn http_with_sse_is_spoken_where_it_is_allowed() {
    let stage = Stage::new().await;
    let mut endpoint = stage.at("/sse");
    let refused = stage.send(&endpoint, call("echo", &json!({}))).await.unwrap_err();
    assert_eq!(refused.as_str(), "upstream_status");
    let Transport::Http(target) = &mut endpoint.transport else { panic!() };
    target.legacy_sse = true;
    assert_eq!(stage.pool.greeting(&endpoint).await.unwrap().revision, Revision::V2024_11_05);
    let listener = Listener::answering(json!({"action": "decline"}));
    let request = call("test_elicitation", &json!({"message": "Who?"})).telling(listener);
    let result = stage.send(&endpoint, request).await.unwrap();
    assert_eq!(text(&result), "User response: action=decline, content={}");
    let listener = Listener::new();
    let request = call("test_tool_with_progress", &json!({})).telling(listener.clone());
    stage.send(&endpoint, request).await.unwrap();
    assert_eq!(listener.heard().len(), 3);
    assert!(listener.heard().iter().all(|heard| heard["params"]["progressToken"] == "mine"));
}

/// T15: the stream may name an address of its own origin, and no other
#[tokio::test]
async fn a_stream_cannot_send_the_credential_elsewhere() {
    let stage = Stage::new().await;
    let mut endpoint = stage.at("/sse?elsewhere");
    let Transport::Http(target) = &mut endpoint.transport else { panic!() };
    target.legacy_sse = true;
    let failure = stage.send(&endpoint, call("echo", &json!({}))).await.unwrap_err();
    assert_eq!(failure.as_str(), "upstream_status");
    assert!(stage.upstream.seen().iter().all(|seen| seen.path == "/sse"));
}

/// HTTP26-2, HTTP26-4, HTTP26-5, HTTP26-10, HTTP26-13: the server checks that headers say what the body says, and takes it
#[tokio::test]
async fn the_stateless_era_repeats_the_body_in_headers() {
    let stage = Stage::new().await;
    let request = call("test_mirrored", &json!({"region": "Zürich", "query": "q"}));
    let mirrored = vec![("Region".to_owned(), "Zürich".to_owned())];
    stage.send(&stage.at("/stateless"), request.mirroring(mirrored)).await.unwrap();
    let seen = stage.upstream.seen_of("tools/call").remove(0);
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "test_mirrored"),
        ("mcp-param-region", "=?base64?WsO8cmljaA==?="),
        ("authorization", "Bearer upstream-credential"),
        ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "identity"),
    ] {
        assert_eq!(seen.headers[name], value, "{name}");
    }
    assert_eq!(seen.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"], json!({}));
    let uri = json!({"uri": "test://static-text"});
    let read = Request::new("resources/read").with(raw(&uri));
    stage.send(&stage.at("/stateless"), read).await.unwrap();
    assert_eq!(stage.upstream.seen_of("resources/read")[0].headers["mcp-name"], "test://static-text");
}

/// HTTP26-12: what only the stateless era validates is not sent to others
#[tokio::test]
async fn sessions_get_their_own_headers_and_no_others() {
    let stage = Stage::new().await;
    let request = call("test_mirrored", &json!({"region": "r"}));
    let request = request.mirroring(vec![("Region".to_owned(), "r".to_owned())]);
    stage.send(&stage.at("/sessions"), request).await.unwrap();
    let headers = stage.upstream.seen_of("tools/call").remove(0).headers;
    assert_eq!(headers["mcp-protocol-version"], "2025-11-25");
    assert!(headers.contains_key("mcp-session-id"));
    for absent in ["mcp-method", "mcp-name", "mcp-param-region"] {
        assert!(!headers.contains_key(absent), "{absent}");
    }
}

/// The members that nobody here knows are the server's own, to the last digit.
#[tokio::test]
async fn a_result_is_the_text_that_the_server_wrote() {
    let stage = Stage::new().await;
    for path in ["/mcp", "/sessions", "/json"] {
        let result = stage.pool.request(&stage.at(path), call("echo", &json!({"a": 1.50}))).await.unwrap();
        assert!(result.get().contains(r#""x-unknown":{"kept":[1,1.0,null]}"#), "{path}: {result}");
    }
}

/// T04, SBP-5: of a request nothing reaches a server but what the endpoint and the protocol say
#[tokio::test]
async fn a_server_sees_the_connections_own_credential_and_nothing_else() {
    let stage = Stage::new().await;
    for path in ["/mcp", "/sessions"] {
        stage.call(path, "echo", &json!({})).await.unwrap();
    }
    for seen in stage.upstream.seen() {
        let mut names: Vec<_> = seen.headers.keys().map(String::as_str).collect();
        names.retain(|name| !name.starts_with("mcp-"));
        names.sort_unstable();
        let expected = [
            "accept",
            "accept-encoding",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
        ];
        assert_eq!(names, expected, "{}", seen.method);
    }
}
