//! How clients learn that a call waits for a person: every rung, by revision and by what the client can be asked.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::Method;
use portcullis_database::both_engines;
use portcullis_database::testing::sqlite;
use portcullis_resource_server::oauth::{Clock, PrincipalId, PrincipalKind, Seconds};
use portcullis_resource_server::{Approval, ApprovalState, Decider, How, Inbox, Policies, Sought, Verdict};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_stream::StreamExt;
use tower::ServiceExt;

use crate::stage::{ALL, Answer, Draft, Stage, Token, events};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const NOTE: &str = "sandbox__create_note";

async fn waiting(stage: &Stage) -> Vec<Approval> {
    let inbox = Inbox { who: Some(&stage.alice), approver: false };
    stage.gateway.approvals().list(inbox, &Sought::default()).await.unwrap()
}

async fn decide(stage: &Stage, verdict: Verdict) {
    let decider = Decider { who: &stage.alice, how: How::Page, approver: false };
    let id = waiting(stage).await[0].id.clone();
    stage.gateway.approvals().decide(&id, verdict, decider).await.unwrap();
}

/// A leg of a call of the stateless era.
fn leg(elicitation: &Value, text: &str, (state, response): (Option<&Value>, Option<Value>)) -> Draft {
    let mut params = json!({"name": NOTE, "arguments": {"title": "t", "text": text}, "_meta": {CAPABILITIES: {"elicitation": elicitation}}});
    if let Some(state) = state {
        params["requestState"] = state.clone();
    }
    if let Some(response) = response {
        params["inputResponses"] = json!({ "approval": response });
    }
    Draft::modern("/mcp", "tools/call", params)
}

fn accepted() -> Value {
    json!({"action": "accept", "content": {}})
}

fn asked(answer: &Answer) -> &Value {
    &answer.body["result"]["inputRequests"]["approval"]["params"]
}

fn state(answer: &Answer) -> &Value {
    &answer.body["result"]["requestState"]
}

async fn session(stage: &Stage, token: &Token, (revision, capabilities): (&str, Value)) -> String {
    let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "0"}});
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    Draft::post("/mcp", &message).bearing(token).at(stage).await.header("mcp-session-id").to_owned()
}

fn within(session: &str, token: &Token) -> Draft {
    let params = json!({"name": NOTE, "arguments": {"title": "t", "text": "x"}});
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params});
    Draft::post("/mcp", &body).header("mcp-session-id", session).bearing(token)
}

async fn next(stream: &mut BodyDataStream) -> Value {
    loop {
        let bytes = stream.next().await.expect("the stream goes on").unwrap();
        if let Some(message) = events(&bytes).pop() {
            return message;
        }
    }
}

both_engines! {
    /// MRTR-2, MRTR-3, ELIC-3: an address to open, legs that only wait, and the result
    async fn a_client_that_opens_addresses_waits_in_legs(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let urls = json!({"url": {}});
        let first = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
        assert_eq!(first.body["result"]["resultType"], "input_required");
        let id = waiting(&stage).await[0].id.clone();
        assert_eq!(asked(&first)["mode"], "url");
        assert_eq!(asked(&first)["elicitationId"], json!(id));
        assert_eq!(asked(&first)["url"], json!(format!("http://localhost:8420/approvals/{id}")));
        // Asked again, since nothing was answered; held, since something was, and then without the question.
        let unanswered = leg(&urls, "x", (Some(state(&first)), None)).bearing(&token).at(&stage).await;
        assert_eq!(asked(&unanswered)["mode"], "url");
        let held = leg(&urls, "x", (Some(state(&first)), Some(accepted()))).bearing(&token).at(&stage).await;
        assert_eq!(held.header("content-type"), "text/event-stream", "it begins before it is decided");
        assert_eq!(held.body["result"].get("inputRequests"), None, "{}", held.body);
        let (done, ()) = tokio::join!(
            leg(&urls, "x", (Some(state(&held)), None)).bearing(&token).at(&stage),
            decide(&stage, Verdict::Approve),
        );
        assert!(done.tool().0.starts_with("Created "), "{}", done.body);
        assert_eq!(waiting(&stage).await.len(), 1);
        assert_eq!(stage.outcomes("approval.consumed").await, ["started"]);
    }

    /// T42, MRTR-6: who comes again with the state of a call that was made gets its result for a minute, and no other call
    async fn a_retry_of_a_call_that_was_made_reads_its_result(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let urls = json!({"url": {}});
        let first = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
        decide(&stage, Verdict::Approve).await;
        let again = async || leg(&urls, "x", (Some(state(&first)), Some(accepted()))).bearing(&token).at(&stage).await;
        let (made, retried) = (again().await, again().await);
        assert!(made.tool().0.starts_with("Created "), "{}", made.body);
        assert_eq!(made.tool(), retried.tool());
        stage.clock.advance(Seconds(61));
        let late = again().await;
        assert!(late.tool().0.starts_with("Already executed at "), "{}", late.body);
        assert_eq!(stage.outcomes("approval.consumed").await, ["started"]);
    }

    /// T19, MRTR-4, MRTR-5: a state is good for one request of one caller, and a wrong one burns nothing
    async fn a_state_is_good_for_its_request_alone(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let urls = json!({"url": {}});
        let first = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
        decide(&stage, Verdict::Approve).await;
        let good = state(&first).as_str().unwrap().to_owned();
        let bent = |at: usize| {
            let mut bent = good.clone();
            bent.replace_range(at..=at, if &bent[at..=at] == "A" { "B" } else { "A" });
            Value::from(bent)
        };
        let other_client = stage.token(ALL);
        stage.change(&other_client, |token| token.client = "client_b".to_owned().into());
        let bob = stage.token_of(&PrincipalId::generate(PrincipalKind::User), "/mcp", ALL);
        let alias = stage.sandbox.alias.clone();
        stage.gateway.connections().create(&bob.who, &alias, "sandbox", "").await.unwrap();
        let as_a_round = Value::from(good.replacen("w1", "r1", 1));
        for (bearer, text, state) in [
            (&token, "x", bent(good.len() - 3)),
            (&token, "x", bent(3)),
            (&token, "x", as_a_round),
            (&token, "y", Value::from(good.clone())),
            (&other_client, "x", Value::from(good.clone())),
            (&bob, "x", Value::from(good.clone())),
        ] {
            let refused = leg(&urls, text, (Some(&state), Some(accepted()))).bearing(bearer).at(&stage).await;
            assert_eq!(refused.code(), -32602, "{}", refused.body);
        }
        assert_eq!(stage.reasons().await.iter().filter(|reason| *reason == "request_state").count(), 6);
        let made = leg(&urls, "x", (Some(&Value::from(good)), Some(accepted()))).bearing(&token).at(&stage).await;
        assert!(made.tool().0.starts_with("Created "), "{}", made.body);
    }

    /// Another node takes the next leg, and hears of the decision of this one
    async fn any_node_takes_any_leg(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let (other, feed) = stage.another_node().await;
        let urls = json!({"url": {}});
        let first = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
        let there = async {
            let request = leg(&urls, "x", (Some(state(&first)), Some(accepted()))).bearing(&token).request();
            let answer = other.router().oneshot(request).await.unwrap();
            let bytes = to_bytes(answer.into_body(), 1_000_000).await.unwrap();
            events(&bytes).pop().unwrap()
        };
        let decided = async {
            decide(&stage, Verdict::Approve).await;
            feed.read().await.unwrap();
        };
        let (mut answer, ()) = tokio::join!(there, decided);
        if answer["result"]["resultType"] == "input_required" {
            let next = leg(&urls, "x", (Some(&answer["result"]["requestState"]), None)).bearing(&token).request();
            let bytes = to_bytes(other.router().oneshot(next).await.unwrap().into_body(), 1_000_000).await.unwrap();
            answer = serde_json::from_slice(&bytes).unwrap_or_else(|_| events(&bytes).pop().unwrap());
        }
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.starts_with("Created "), "{answer}");
        assert_eq!(stage.outcomes("approval.executed").await, ["done"]);
    }

    /// T42: fifty retries on two nodes, one call
    async fn two_nodes_make_one_call(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let (other, _feed) = stage.another_node().await;
        let none = json!(null);
        leg(&none, "x", (None, None)).bearing(&token).at(&stage).await;
        decide(&stage, Verdict::Approve).await;
        let mut all = tokio::task::JoinSet::new();
        for number in 0..50 {
            let gateway = if number % 2 == 0 { stage.gateway.clone() } else { other.clone() };
            let request = leg(&none, "x", (None, None)).bearing(&token).request();
            all.spawn(async move {
                let answer = gateway.router().oneshot(request).await.unwrap();
                let bytes = to_bytes(answer.into_body(), 1_000_000).await.unwrap();
                String::from_utf8(bytes.to_vec()).unwrap().contains("Created note_")
            });
        }
        assert_eq!(all.join_all().await.into_iter().filter(|made| *made).count(), 1);
        assert_eq!(stage.outcomes("approval.executed").await, ["done"]);
    }
}

/// ELIC-2, ELIC-3: who has only forms is sent to the page by a code and no link, and confirming there approves nothing
#[tokio::test]
async fn a_client_with_forms_alone_shows_a_code() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let forms = json!({});
    let first = leg(&forms, "x", (None, None)).bearing(&token).at(&stage).await;
    let (question, code) = (asked(&first), waiting(&stage).await[0].code());
    assert_eq!(question["mode"], "form");
    assert_eq!(question["requestedSchema"], json!({"type": "object", "properties": {}}));
    let message = question["message"].as_str().unwrap();
    assert!(message.contains(&code) && !message.contains("://"), "{message}");
    let confirmed =
        leg(&forms, "x", (Some(state(&first)), Some(accepted()))).bearing(&token).at(&stage).await;
    assert_eq!(confirmed.body["result"]["resultType"], "input_required", "{}", confirmed.body);
    assert_eq!(waiting(&stage).await[0].state, ApprovalState::Pending);
}

/// ELIC-7: a client's "no" is a denial; closing the question is none
#[tokio::test]
async fn a_declined_question_denies_and_a_closed_one_does_not() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let urls = json!({"url": {}});
    let first = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
    let closed = leg(&urls, "x", (Some(state(&first)), Some(json!({"action": "cancel"})))).bearing(&token);
    assert!(closed.at(&stage).await.tool().0.contains("without deciding"));
    assert_eq!(waiting(&stage).await[0].state, ApprovalState::Pending);
    let declined = leg(&urls, "x", (Some(state(&first)), Some(json!({"action": "decline"})))).bearing(&token);
    assert!(declined.at(&stage).await.tool().0.contains("denied this call"));
    assert_eq!(waiting(&stage).await[0].state, ApprovalState::Declined);
    let again = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
    assert!(again.tool().0.contains("denied this call"), "{}", again.body);
}

/// Nine legs span the life of an approval; the last one says in words that it still waits, and none comes after the end
#[tokio::test]
async fn the_last_leg_is_told_in_words() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let urls = json!({"url": {}});
    let mut answer = leg(&urls, "x", (None, None)).bearing(&token).at(&stage).await;
    for number in 1..=9 {
        let response = (number == 1).then(accepted);
        let state = state(&answer).clone();
        answer = leg(&urls, "x", (Some(&state), response)).bearing(&token).at(&stage).await;
        assert_eq!(answer.tool().1, number == 9, "{number}: {}", answer.body);
        if number == 8 {
            let last = answer.body["result"]["requestState"].clone();
            stage.clock.advance(Seconds(300));
            let late = leg(&urls, "x", (Some(&last), None)).bearing(&token).at(&stage).await;
            assert!(late.tool().0.contains("no decision within 5 minutes"), "{}", late.body);
            stage.clock.advance(Seconds(-300));
        }
    }
    assert!(answer.tool().0.contains("NOT EXECUTED"), "{}", answer.body);
}

/// ELIC-8: the error with an address exists in 2025-11-25 alone, and its session alone hears that it is done
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
