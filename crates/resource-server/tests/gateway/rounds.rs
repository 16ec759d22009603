//! Rounds in which a stateless server asks a stateless client for several things at once.

use portcullis_database::both_engines;
use portcullis_database::testing::sqlite;
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::draft::{Answer, Draft};
use crate::paper::left_by;
use crate::rungs::CAPABILITIES;
use crate::sampling::{folders, roots, said, sampling};
use crate::stage::{ALL, Stage, Token};

/// A connection whose server may ask, and a token for it.
pub(crate) async fn set(database: portcullis_database::testing::TestDatabase) -> (Stage, Upstream, Token) {
    let (stage, upstream) = (Stage::set(database).await, Upstream::start().await);
    stage.connect("demo", &upstream.url("/stateless")).await;
    stage.let_ask("demo", &["sampling", "roots"]).await;
    let token = stage.token_of(&stage.alice, "/mcp/demo", ALL);
    (stage, upstream, token)
}

/// One round of a call, with what the one before gave and what its questions are answered with.
pub(crate) fn round(
    token: &Token,
    (tool, arguments): (&str, Value),
    before: Option<(&Answer, Value)>,
) -> Draft {
    let able = json!({"elicitation": {}, "sampling": {}, "roots": {}});
    let mut params = json!({"name": tool, "arguments": arguments, "_meta": {CAPABILITIES: able}});
    if let Some((answer, responses)) = before {
        params["requestState"] = answer.body["result"]["requestState"].clone();
        params["inputResponses"] = responses;
    }
    Draft::modern("/mcp/demo", "tools/call", params).bearing(token)
}

pub(crate) const SEVERAL: &str = "test_input_required_result_multiple_inputs";

both_engines! {
    /// MRTR-2, MRTR-3, MRTR-8: a form, the model and the folders in one round, each in its own way, and the answers go back
    /// under their names
    async fn a_round_asks_for_several_things_at_once(database: TestDatabase) {
        let (stage, upstream, token) = set(database).await;
        let first = round(&token, (SEVERAL, json!({})), None).at(&stage).await;
        let asked = &first.body["result"]["inputRequests"];
        assert_eq!(asked["user_name"]["params"]["message"], "demo: What is your name?", "{}", first.body);
        assert_eq!(asked["greeting"]["method"], "sampling/createMessage");
        assert_eq!(asked["greeting"]["params"]["_meta"]["portcullis/connection"], "demo");
        assert_eq!(asked["client_roots"]["method"], "roots/list");
        let name = json!({"action": "accept", "content": {"name": "Ada"}});
        let answers = json!({"user_name": name, "greeting": said("Hello"), "client_roots": folders()});
        let done = round(&token, (SEVERAL, json!({})), Some((&first, answers.clone()))).at(&stage).await;
        assert_eq!(done.tool(), ("All answered.", false), "{}", done.body);
        let calls = upstream.seen_of("tools/call");
        let told = &calls.last().unwrap().body["params"]["_meta"][CAPABILITIES];
        assert_eq!(told, &json!({"elicitation": {}, "sampling": {}, "roots": {}}));
        assert_eq!(calls.last().unwrap().body["params"]["inputResponses"], answers);
    }

    /// T33, MRTR-7: what is no answer to its question reaches no server; one that is missing is asked for again
    async fn an_answer_to_something_else_goes_nowhere(database: TestDatabase) {
        let (stage, upstream, token) = set(database).await;
        let first = round(&token, (SEVERAL, json!({})), None).at(&stage).await;
        let before = upstream.seen_of("tools/call").len();
        for answers in [json!({"greeting": folders()}), json!({"client_roots": said("x")}), json!({"greeting": null})] {
            let wrong = round(&token, (SEVERAL, json!({})), Some((&first, answers)));
            assert_eq!(left_by(&stage, wrong).await, ["tools.call refused input_response"]);
        }
        assert_eq!(upstream.seen_of("tools/call").len(), before);
        let some = json!({"greeting": said("Hello"), "unasked": folders()});
        let again = round(&token, (SEVERAL, json!({})), Some((&first, some))).at(&stage).await;
        assert_eq!(again.body["result"]["resultType"], "input_required", "{}", again.body);
    }
}

/// T33: the rounds of a call are counted together, so that it asks no more often than one that asks in between
#[tokio::test]
async fn rounds_are_counted_together() {
    let (stage, _upstream, token) = set(sqlite().await).await;
    let requests: Value =
        (0..6).map(|at| (format!("q{at}"), sampling("?"))).collect::<serde_json::Map<_, _>>().into();
    let answers: Value =
        (0..6).map(|at| (format!("q{at}"), said("yes"))).collect::<serde_json::Map<_, _>>().into();
    let tool = || ("ask_anything", json!({"requests": requests, "times": 9}));
    let first = round(&token, tool(), None).at(&stage).await;
    let second = round(&token, tool(), Some((&first, answers.clone()))).at(&stage).await;
    assert_eq!(second.body["result"]["resultType"], "input_required", "{}", second.body);
    let third = round(&token, tool(), Some((&second, answers))).at(&stage).await;
    assert!(third.tool().1 && third.tool().0.contains("may not ask so often"), "{}", third.body);
    assert_eq!(stage.reasons().await.last().map(String::as_str), Some("sampling_refused"));
}

/// MRTR-2: what is in the place of questions and is none is not passed on, whatever it holds
#[tokio::test]
async fn a_list_of_questions_is_no_round() {
    let (stage, _upstream, token) = set(sqlite().await).await;
    let refused =
        round(&token, ("ask_in_a_list", json!({"requests": [sampling("?")]})), None).at(&stage).await;
    assert!(refused.tool().1 && refused.tool().0.contains("cannot be understood"), "{}", refused.body);
    assert_eq!(stage.reasons().await.last().map(String::as_str), Some("elicitation_refused"));
}

/// MRTR-4: a question has a name that a state can carry
#[tokio::test]
async fn a_name_without_end_is_no_name() {
    let (stage, _upstream, token) = set(sqlite().await).await;
    let requests = json!({"x".repeat(201): roots()});
    let refused = round(&token, ("ask_anything", json!({"requests": requests})), None).at(&stage).await;
    assert!(refused.tool().1, "{}", refused.body);
    assert_eq!(stage.reasons().await.last().map(String::as_str), Some("roots_refused"));
}
