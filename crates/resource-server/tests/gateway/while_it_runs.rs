//! What happens while a call is under way: progress and log messages, questions to the person behind the client, and a change
//! of mind.

use axum::body::{Body, BodyDataStream};
use portcullis_database::both_engines;
use portcullis_database::testing::sqlite;
use portcullis_resource_server::oauth::{PrincipalId, PrincipalKind};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::draft::{Answer, Draft, events};
use crate::patience::until;
use crate::stage::{ALL, Stage, Token};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Begins a session with a client that can do this.
async fn session(stage: &Stage, token: &Token, capabilities: Value) -> String {
    session_at(stage, "/mcp", token, capabilities).await
}

async fn session_at(stage: &Stage, path: &str, token: &Token, capabilities: Value) -> String {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t", "version": "0"}});
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let begun = Draft::post(path, &message).bearing(token).at(stage).await;
    begun.header("mcp-session-id").to_owned()
}

fn within(session: &str, method: &str, params: &Value) -> Draft {
    within_at("/mcp", session, method, params)
}

fn within_at(path: &str, session: &str, method: &str, params: &Value) -> Draft {
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params});
    Draft::post(path, &body).header("mcp-session-id", session)
}

/// The next message of a stream.
async fn next(stream: &mut BodyDataStream) -> Value {
    loop {
        let bytes = stream.next().await.expect("the stream goes on").unwrap();
        if let Some(message) = events(&bytes).pop() {
            return message;
        }
    }
}

fn methods(answer: &Answer) -> Vec<&str> {
    answer.said.iter().map(|said| said["method"].as_str().unwrap()).collect()
}

/// HTTP26-16: progress under the client's own token, and log messages for those who asked for them
#[tokio::test]
async fn what_an_upstream_says_meanwhile_arrives_in_a_stream() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    let params = json!({"name": "demo__test_tool_with_progress", "_meta": {"progressToken": "mine"}});
    let answer = Draft::modern("/mcp", "tools/call", params).bearing(&token).at(&stage).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert_eq!(methods(&answer), ["notifications/progress"; 3]);
    assert_eq!(answer.said[1]["params"]["progressToken"], "mine");
    assert_eq!(answer.tool(), ("Tool with progress executed successfully", false));

    let log = json!({"name": "demo__test_tool_with_logging", "_meta": {"io.modelcontextprotocol/logLevel": "info"}});
    let answer = Draft::modern("/mcp", "tools/call", log).bearing(&token).at(&stage).await;
    assert_eq!(methods(&answer), ["notifications/message"; 3]);
    let quiet = json!({"name": "demo__test_tool_with_logging"});
    let answer = Draft::modern("/mcp", "tools/call", quiet).bearing(&token).at(&stage).await;
    assert_eq!((answer.said.len(), answer.header("content-type")), (0, "application/json"));
}

both_engines! {
    /// Log levels are the session's, on every node
    async fn a_session_says_how_much_it_wants_to_be_told(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/sessions")).await;
        let token = stage.token(ALL);
        let session = session(&stage, &token, json!({})).await;
        let log = || within(&session, "tools/call", &json!({"name": "demo__test_tool_with_logging"})).bearing(&token);
        assert_eq!(methods(&log().at(&stage).await), ["notifications/message"; 3]);
        let level = |level: &str| within(&session, "logging/setLevel", &json!({"level": level})).bearing(&token);
        assert_eq!(level("loud").at(&stage).await.code(), -32602);
        assert_eq!(level("error").at(&stage).await.body["result"], json!({}));
        assert!(log().at(&stage).await.said.is_empty());
    }
}

/// T33, T18: a legacy server's question reaches the person behind a legacy client, under the connection's name, and only
/// that session can answer
#[tokio::test]
async fn a_question_is_asked_in_the_middle_of_a_call() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    for (alias, path, tool) in [
        ("legacy", "/sessions", "test_elicitation"),
        ("modern", "/stateless", "test_input_required_result_elicitation"),
    ] {
        stage.connect(alias, &upstream.url(path)).await;
        let path = &format!("/mcp/{alias}");
        let token = stage.token_of(&stage.alice.clone(), path, ALL);
        let session = session_at(&stage, path, &token, json!({"elicitation": {}})).await;
        let params = json!({"name": tool, "arguments": {"message": "Who are you?"}});
        let response =
            stage.send(within_at(path, &session, "tools/call", &params).bearing(&token).request()).await;
        let mut stream = Body::into_data_stream(response.into_body());
        let question = next(&mut stream).await;
        assert_eq!(question["method"], "elicitation/create");
        let message = question["params"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{alias}: ")), "{message}");
        let answer = |id: &Value| json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"username": "ada", "name": "ada", "email": "a@example.com"}}});
        let bob = stage.token_of(&PrincipalId::generate(PrincipalKind::User), path, ALL);
        let foreign =
            Draft::post(path, &answer(&question["id"])).header("mcp-session-id", &session).bearing(&bob);
        assert_eq!(foreign.at(&stage).await.status, 404);
        let own =
            Draft::post(path, &answer(&question["id"])).header("mcp-session-id", &session).bearing(&token);
        assert_eq!(own.at(&stage).await.status, 202);
        let last = next(&mut stream).await;
        assert!(last["result"]["content"][0]["text"].as_str().unwrap().contains("ada"), "{last}");
    }
}

/// T33: nobody is asked who cannot be, and the upstream was not told otherwise
#[tokio::test]
async fn a_client_that_cannot_be_asked_is_not() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("legacy", &upstream.url("/sessions")).await;
    let token = stage.token(ALL);
    let params = json!({"name": "legacy__test_elicitation", "arguments": {"message": "?"}, "_meta": {CAPABILITIES: {"elicitation": {}}}});
    let answer = Draft::modern("/mcp", "tools/call", params).bearing(&token).at(&stage).await;
    assert!(answer.tool().1, "{}", answer.body);
    let begun = upstream.seen_of("initialize");
    let last = begun.last().unwrap();
    assert_eq!(last.body["params"]["capabilities"].get("elicitation"), None, "the session of the call");
}

/// MRTR-4, MRTR-5, MRTR-8, T19: what the upstream wants to see again comes back to it as it was, and serves nobody else
#[tokio::test]
async fn a_round_belongs_to_its_caller_and_its_request() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/stateless")).await;
    let token = stage.token_of(&stage.alice.clone(), "/mcp/demo", ALL);
    let round = |tool: &str, state: Option<&Value>| {
        let mut params = json!({"name": tool, "_meta": {CAPABILITIES: {"elicitation": {}}}});
        if let Some(state) = state {
            params["requestState"] = state.clone();
            params["inputResponses"] = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
        }
        Draft::modern("/mcp/demo", "tools/call", params)
    };
    let tool = "test_input_required_result_request_state";
    let first = round(tool, None).bearing(&token).at(&stage).await;
    let result = &first.body["result"];
    assert_eq!(result["resultType"], "input_required", "{}", first.body);
    assert_eq!(result["inputRequests"]["confirm"]["params"]["message"], "demo: Please confirm");
    let state = &result["requestState"];
    assert!(!state.as_str().unwrap().contains("confirming"), "it is sealed");

    let bob = stage.token_of(&stage.alice.clone(), "/mcp/demo", ALL);
    stage.change(&bob, |token| token.client = "client_b".to_owned().into());
    let before = upstream.seen_of("tools/call").len();
    let mut bent = state.as_str().unwrap().to_owned();
    bent.replace_range(10..11, if &bent[10..11] == "A" { "B" } else { "A" });
    for (bearer, tool, state) in [
        (&bob, tool, state.clone()),
        (&token, "test_input_required_result_tampered_state", state.clone()),
        (&token, tool, Value::from(bent)),
    ] {
        let refused = round(tool, Some(&state)).bearing(bearer).at(&stage).await;
        assert_eq!(refused.code(), -32602, "{}", refused.body);
    }
    assert_eq!(upstream.seen_of("tools/call").len(), before, "no upstream heard of it");
    let done = round(tool, Some(state)).bearing(&token).at(&stage).await;
    assert_eq!(done.tool(), ("state-ok", false), "{}", done.body);
    assert_eq!(stage.reasons().await.iter().filter(|reason| *reason == "request_state").count(), 3);
}

/// HTTP26-15: who closes the stream cancels; HTTP25-13: in a session who goes away does not, and who says so does
#[tokio::test]
async fn a_change_of_mind_reaches_the_upstream() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    let slow = json!({"name": "demo__hang"});
    let begun = stage.send(Draft::modern("/mcp", "tools/call", slow.clone()).bearing(&token).request());
    tokio::select! {
        _ = begun => panic!("it was too fast"),
        () = until("the call arrives", || upstream.seen_of("tools/call").len() == 1) => {}
    }
    until("it is cancelled", || upstream.cancelled().len() == 1).await;

    let session = session(&stage, &token, json!({})).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
    let stop = async {
        until("the call arrives", || upstream.seen_of("tools/call").len() == 2).await;
        Draft::post("/mcp", &cancel).header("mcp-session-id", &session).bearing(&token).at(&stage).await
    };
    let (answer, stopped) =
        tokio::join!(within(&session, "tools/call", &slow).bearing(&token).at(&stage), stop);
    assert_eq!((stopped.status.as_u16(), answer.tool().1), (202, true));
    until("it is cancelled", || upstream.cancelled().len() == 2).await;
}

/// HTTP25-13: a call about which nothing is said begins as a stream all the same, and not only when it ends: a client of the
/// Python SDK sends nothing else before that, not even that it changed its mind
#[tokio::test]
async fn a_silent_call_begins_as_a_stream() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    let session = session(&stage, &token, json!({})).await;
    let call = within(&session, "tools/call", &json!({"name": "demo__hang"})).bearing(&token);
    let begun = stage.send(call.request()).await;
    assert_eq!(begun.headers()["content-type"], "text/event-stream");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
    let told = Draft::post("/mcp", &cancel).header("mcp-session-id", &session).bearing(&token);
    assert_eq!(told.at(&stage).await.status, 202);
    let last = next(&mut begun.into_body().into_data_stream()).await;
    assert_eq!(last["result"]["isError"], true, "{last}");
}
