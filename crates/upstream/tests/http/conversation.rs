//! What a server says and asks while it works, and what it hears when nobody waits any more.

use std::time::Duration;

use portcullis_upstream::Failure;
use serde_json::{Value, json};

use crate::stage::{Listener, Stage, call, raw, text, until};

#[tokio::test]
async fn progress_comes_in_order_and_under_the_callers_own_token() {
    let stage = Stage::new().await;
    for path in ["/mcp", "/sessions"] {
        let listener = Listener::new();
        let request = call("test_tool_with_progress", &json!({})).telling(listener.clone());
        stage.send(&stage.at(path), request).await.unwrap();
        let steps: Vec<_> =
            listener.heard().iter().map(|heard| heard["params"]["progress"].clone()).collect();
        assert_eq!(steps, [0, 50, 100], "{path}");
        assert!(listener.heard().iter().all(|heard| heard["params"]["progressToken"] == "mine"), "{path}");
        let sent = &stage.upstream.seen_of("tools/call").pop().unwrap().body;
        assert_eq!(sent["params"]["_meta"]["progressToken"], sent["id"], "{path}: on the wire it is ours");
    }
}

#[tokio::test]
async fn log_messages_reach_who_waits() {
    let stage = Stage::new().await;
    let listener = Listener::new();
    let request = call("test_tool_with_logging", &json!({})).telling(listener.clone());
    stage.send(&stage.at("/sessions"), request).await.unwrap();
    let said: Vec<_> = listener.heard().iter().map(|heard| heard["params"]["data"].clone()).collect();
    assert_eq!(said, ["Tool execution started", "Tool processing data", "Tool execution completed"]);
}

#[tokio::test]
async fn a_server_that_asks_gets_the_answer_of_who_waits() {
    let stage = Stage::new().await;
    let mut endpoint = stage.at("/sessions");
    endpoint.capabilities = raw(&json!({"elicitation": {}}));
    let listener = Listener::answering(json!({"action": "accept", "content": {"username": "a"}}));
    let request = call("test_elicitation", &json!({"message": "Who?"})).telling(listener.clone());
    let result = stage.send(&endpoint, request).await.unwrap();
    assert_eq!(text(&result), r#"User response: action=accept, content={"username":"a"}"#);
    assert_eq!(listener.asked()[0]["method"], "elicitation/create");
    assert_eq!(listener.asked()[0]["params"]["message"], "Who?");
    let declared = &stage.upstream.seen_of("initialize")[0].body["params"]["capabilities"];
    assert_eq!(*declared, json!({"elicitation": {}}));
}

#[tokio::test]
async fn who_does_not_answer_has_not_got_the_method() {
    let stage = Stage::new().await;
    let result = stage.call("/sessions", "test_sampling", &json!({"prompt": "p"})).await.unwrap();
    assert_eq!(text(&result), "sampling/createMessage is not offered here");
    let result = stage.call("/sessions", "ping_back", &json!({})).await.unwrap();
    assert_eq!(text(&result), "{}", "a ping is answered whoever waits");
}

/// MRTR-1, MRTR-8: the stateless era asks by its result, which passes as it is, and so does what comes back
#[tokio::test]
async fn a_result_that_asks_passes_as_it_is() {
    let stage = Stage::new().await;
    let mut endpoint = stage.at("/mcp");
    endpoint.capabilities = raw(&json!({"elicitation": {}}));
    let name = "test_input_required_result_request_state";
    let asked = stage.send(&endpoint, call(name, &json!({}))).await.unwrap();
    assert_eq!(asked["resultType"], "input_required");
    let params = json!({
        "name": name,
        "arguments": {},
        "inputResponses": {"confirm": {"action": "accept", "content": {"ok": true}}},
        "requestState": asked["requestState"],
    });
    let again = portcullis_upstream::Request::new("tools/call").with(raw(&params));
    assert_eq!(text(&stage.send(&endpoint, again).await.unwrap()), "state-ok");
}

/// HTTP26-15: dropping a request closes its stream, which in the stateless era says it all; sessions are told in words
#[tokio::test]
async fn a_request_that_nobody_waits_for_is_cancelled_at_the_server() {
    for path in ["/mcp", "/sessions"] {
        let stage = Stage::new().await;
        let listener = Listener::new();
        let (pool, endpoint) = (stage.pool.clone(), stage.at(path));
        let request = call("hang", &json!({})).telling(listener.clone());
        let waiting = tokio::spawn(async move { pool.request(&endpoint, request).await });
        until("it has begun", || !listener.heard().is_empty()).await;
        waiting.abort();
        until("the server knows", || !stage.upstream.cancelled().is_empty()).await;
        let sent: Vec<Value> =
            stage.upstream.seen_of("tools/call").into_iter().map(|seen| seen.body).collect();
        assert_eq!(stage.upstream.cancelled(), [sent[0]["id"].clone()], "{path}");
    }
}

#[tokio::test]
async fn a_deadline_cancels_too() {
    let stage = Stage::new().await;
    let request = call("hang", &json!({})).within(Duration::from_millis(300));
    let failure = stage.send(&stage.at("/sessions"), request).await.unwrap_err();
    assert!(matches!(failure, Failure::Timeout), "{failure}");
    until("the server knows", || !stage.upstream.cancelled().is_empty()).await;
}
