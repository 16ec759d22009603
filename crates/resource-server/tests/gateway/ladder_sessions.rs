//! How clients with sessions learn that a call waits for a person, whose word is enough, and what comes after the approval.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use portcullis_database::testing::sqlite;
use portcullis_resource_server::oauth::Clock;
use portcullis_resource_server::{ApprovalState, Policies, Verdict};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::draft::Draft;
use crate::rungs::{CAPABILITIES, accepted, asked, decide, leg, next, session, state, waiting, within};
use crate::stage::{ALL, Stage};

/// ELIC-8: the error with an address exists in 2025-11-25 alone, and its session alone hears that it is done, once
#[tokio::test]
async fn an_error_with_an_address_is_for_one_revision() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let urls = json!({"elicitation": {"url": {}}});
    let new = session(&stage, &token, ("2025-11-25", urls.clone())).await;
    let refused = within(&new, &token).at(&stage).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (200, -32042));
    let asked = &refused.body["error"]["data"]["elicitations"][0];
    let id = waiting(&stage).await[0].id.clone();
    assert_eq!((&asked["mode"], &asked["elicitationId"]), (&json!("url"), &json!(id)));
    let older = session(&stage, &token, ("2025-06-18", urls)).await;
    let (text, is_error) = {
        let answer = within(&older, &token).at(&stage).await;
        (answer.tool().0.to_owned(), answer.tool().1)
    };
    assert!(is_error && text.starts_with("NOT EXECUTED"), "{text}");
    let stream = async |session: &str| {
        let open = Draft::new(Method::GET, "/mcp")
            .header("accept", "text/event-stream")
            .header("mcp-session-id", session)
            .bearing(&token);
        Body::into_data_stream(stage.send(open.request()).await.into_body())
    };
    let (mut ours, mut theirs) = (stream(&new).await, stream(&older).await);
    decide(&stage, Verdict::Approve).await;
    let told = next(&mut ours).await;
    assert_eq!(told["method"], "notifications/elicitation/complete");
    assert_eq!(told["params"]["elicitationId"], json!(id));
    let silent = tokio::time::timeout(Duration::from_millis(100), next(&mut theirs)).await;
    assert!(silent.is_err(), "nobody else is told");
    // Something else happens to the same approval.
    stage.gateway.approvals().show(&waiting(&stage).await[0], &stage.alice).await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(100), next(&mut ours)).await;
    assert!(silent.is_err(), "it is told once");
    assert!(within(&new, &token).at(&stage).await.tool().0.starts_with("Created "));
}

/// A session's client is asked in the middle of its call, which is held for a while and then told in words
#[tokio::test]
async fn a_session_is_asked_in_the_middle_of_its_call() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let session = session(&stage, &token, ("2025-06-18", json!({"elicitation": {}}))).await;
    let response = stage.send(within(&session, &token).request()).await;
    let mut stream = Body::into_data_stream(response.into_body());
    let question = next(&mut stream).await;
    assert_eq!(question["method"], "elicitation/create");
    assert!(question["params"]["message"].as_str().unwrap().contains(&waiting(&stage).await[0].code()));
    decide(&stage, Verdict::Approve).await;
    let done = next(&mut stream).await;
    assert!(done["result"]["content"][0]["text"].as_str().unwrap().starts_with("Created "), "{done}");
    // Nobody decides: the words come when the time is over.
    let response = stage.send(within(&session, &token).request()).await;
    let mut stream = Body::into_data_stream(response.into_body());
    let question = next(&mut stream).await;
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": accepted()});
    Draft::post("/mcp", &answer).header("mcp-session-id", &session).bearing(&token).at(&stage).await;
    let words = next(&mut stream).await;
    assert!(words["result"]["content"][0]["text"].as_str().unwrap().starts_with("NOT EXECUTED"), "{words}");
}

/// T20, T45: a token that dies while its call is held makes nothing
#[tokio::test]
async fn a_call_that_waited_is_judged_anew() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let urls = json!({"url": {}});
    let first = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
    let revoked = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stage.revoke(&token, |token| token.expires_at = stage.clock.now());
        decide(&stage, Verdict::Approve).await;
    };
    let (answer, ()) = tokio::join!(
        leg(&urls, "x", (Some(state(&first)), Some(accepted()))).bearing(&token).at(&stage),
        revoked
    );
    assert_eq!(answer.code(), -32000, "{}", answer.body);
    assert_eq!(stage.outcomes("approval.consumed").await.len(), 0);
}

/// Where the policy is content with the client's word, its form decides; for anything more it does not
#[tokio::test]
async fn a_clients_word_is_enough_where_the_policy_says_so() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let policies =
        Policies::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
    let policy = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource);\n\
        @id(\"ask\") @reason(\"Ask first.\") forbid (principal, action == Action::\"callTool\", resource) \
        when { resource.name == \"echo\" && context.assurance < 1 };";
    policies.activate(policy, "ada", "").await.unwrap();
    let echo = |state: Option<&Value>, decision: &str| {
        let mut params = json!({"name": "sandbox__echo", "arguments": {"message": "hi"}, "_meta": {CAPABILITIES: {"elicitation": {}}}});
        if let Some(state) = state {
            params["requestState"] = state.clone();
            params["inputResponses"] =
                json!({"approval": {"action": "accept", "content": {"decision": decision}}});
        }
        Draft::modern("/mcp", "tools/call", params).bearing(&token)
    };
    let first = echo(None, "").at(&stage).await;
    assert_eq!(
        asked(&first)["requestedSchema"]["properties"]["decision"]["enum"],
        json!(["approve", "deny"])
    );
    assert_eq!(echo(Some(state(&first)), "approve").at(&stage).await.tool(), ("hi", false));
    assert_eq!(waiting(&stage).await[0].decision.as_ref().map(|decision| decision.level), Some(1));
    let forms = json!({});
    let sensitive = leg(&forms, "x", (None, None)).bearing(&token).at(&stage).await;
    let yes = json!({"action": "accept", "content": {"decision": "approve"}});
    let held = leg(&forms, "x", (Some(state(&sensitive)), Some(yes))).bearing(&token).at(&stage).await;
    assert_eq!(held.body["result"]["resultType"], "input_required", "{}", held.body);
    assert_eq!(stage.outcomes("approval.consumed").await, ["started"]);
}

/// MRTR-8: an upstream that asks back after the approval is answered under it, once, and is not approved again
#[tokio::test]
async fn an_upstreams_own_rounds_come_after_the_approval() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/stateless")).await;
    let token = stage.token_of(&stage.alice.clone(), "/mcp/demo", ALL);
    let policies =
        Policies::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
    let policy = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) when { context.assurance >= 2 };\n\
        @id(\"lists\") @reason(\"Lists.\") permit (principal, action == Action::\"listTools\", resource);";
    policies.activate(policy, "ada", "").await.unwrap();
    let tool = "test_input_required_result_request_state";
    let round = |state: Option<&Value>, responses: Value| {
        let mut params = json!({"name": tool, "_meta": {CAPABILITIES: {"elicitation": {}}}});
        if let Some(state) = state {
            params["requestState"] = state.clone();
            params["inputResponses"] = responses;
        }
        Draft::modern("/mcp/demo", "tools/call", params).bearing(&token)
    };
    let first = round(None, Value::Null).at(&stage).await;
    decide(&stage, Verdict::Approve).await;
    let theirs = round(Some(state(&first)), json!({"approval": accepted()})).at(&stage).await;
    assert_eq!(
        theirs.body["result"]["inputRequests"]["confirm"]["params"]["message"], "demo: Please confirm",
        "{}",
        theirs.body
    );
    assert_eq!(waiting(&stage).await[0].state, ApprovalState::Asking);
    let answer = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
    let done = round(Some(state(&theirs)), answer.clone()).at(&stage).await;
    assert_eq!(done.tool(), ("state-ok", false), "{}", done.body);
    let replayed = round(Some(state(&theirs)), answer).at(&stage).await;
    assert!(replayed.tool().1, "{}", replayed.body);
    assert_eq!(upstream.seen_of("tools/call").len(), 2, "no third one");
    assert_eq!(waiting(&stage).await.len(), 1);
}
