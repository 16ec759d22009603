//! How clients of the stateless era learn that a call waits for a person, and what the state is worth that they carry.

use axum::body::to_bytes;
use portcullis_database::both_engines;
use portcullis_database::testing::sqlite;
use portcullis_resource_server::oauth::{PrincipalId, PrincipalKind, Seconds};
use portcullis_resource_server::{ApprovalState, Verdict};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::draft::events;
use crate::rungs::{accepted, asked, decide, leg, state, waiting};
use crate::stage::{ALL, Stage};

both_engines! {
    /// MRTR-2, MRTR-3, MRTR-7, ELIC-3: an address to open, legs that only wait, and the result
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
        // Decided while a leg is held, if this computer is not too slow for that.
        let to_the_end = async {
            let mut answer = held;
            while answer.body["result"]["resultType"] == "input_required" {
                answer = leg(&urls, "x", (Some(&state(&answer).clone()), None)).bearing(&token).at(&stage).await;
            }
            answer
        };
        let (done, ()) = tokio::join!(to_the_end, decide(&stage, Verdict::Approve));
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

    /// T19, MRTR-4, MRTR-5, ELIC-5: a state is good for one request of one caller, and a wrong one burns nothing
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
        let there = async |state: &Value| {
            let request = leg(&urls, "x", (Some(state), Some(accepted()))).bearing(&token).request();
            let answer = other.router().oneshot(request).await.unwrap();
            let bytes = to_bytes(answer.into_body(), 1_000_000).await.unwrap();
            events(&bytes).pop().unwrap_or_else(|| serde_json::from_slice(&bytes).unwrap())
        };
        let decided = async {
            decide(&stage, Verdict::Approve).await;
            feed.read().await.unwrap();
        };
        let (mut answer, ()) = tokio::join!(there(state(&first)), decided);
        if answer["result"]["resultType"] == "input_required" {
            answer = there(&answer["result"]["requestState"]).await;
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
    let mut last = Value::Null;
    for number in 1..=9 {
        let response = (number == 1).then(accepted);
        let state = state(&answer).clone();
        answer = leg(&urls, "x", (Some(&state), response)).bearing(&token).at(&stage).await;
        assert_eq!(answer.tool().1, number == 9, "{number}: {}", answer.body);
        if number < 9 {
            last = answer.body["result"]["requestState"].clone();
        }
    }
    assert!(answer.tool().0.contains("NOT EXECUTED"), "{}", answer.body);
    stage.clock.advance(Seconds(300));
    let late = leg(&urls, "x", (Some(&last), None)).bearing(&token).at(&stage).await;
    assert!(late.tool().0.contains("no decision within 5 minutes"), "{}", late.body);
}
