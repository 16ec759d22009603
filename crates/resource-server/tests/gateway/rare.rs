//! Reasons that take more than one request to come to: of approvals, of upstream servers that fail, of requests that break off.
//! Each is one event too, like those of the table in `paper`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use portcullis_database::both_engines;
use portcullis_resource_server::oauth::Seconds;
use portcullis_resource_server::{Patience, Policies, Verdict};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::draft::Draft;
use crate::paper::{left_after, left_by};
use crate::patience::until;
use crate::rungs::{CAPABILITIES, accepted, decide, leg, session, state};
use crate::stage::{ALL, Stage, Token};

/// A call with this text that waits for its user's approval, to be asked for again.
async fn held(stage: &Stage, token: &Token, text: &str) -> Draft {
    stage.clock.advance(Seconds(1));
    let urls = json!({"url": {}});
    let first = leg(&urls, text, (None, None)).bearing(token).at(stage).await;
    leg(&urls, text, (Some(state(&first)), Some(accepted()))).bearing(token)
}

/// Of what a request left, the events of the call itself: approvals have their own beside them.
fn of_the_call(left: Vec<String>) -> Vec<String> {
    left.into_iter().filter(|event| event.starts_with("tools.call")).collect()
}

both_engines! {
    /// T46: how an approval ends is one refusal of the call that asks for it
    async fn each_end_of_an_approval_is_one_event_of_its_call(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        stage.change(&token, |token| token.expires_at = token.expires_at.plus(Seconds::days(1)));
        let again = held(&stage, &token, "expires").await;
        stage.clock.advance(Seconds(301));
        assert_eq!(of_the_call(left_by(&stage, again).await), ["tools.call refused approval_expired"]);

        let again = held(&stage, &token, "lapses").await;
        decide(&stage, Verdict::Approve).await;
        stage.clock.advance(Seconds(121));
        assert_eq!(of_the_call(left_by(&stage, again).await), ["tools.call refused approval_lapsed"]);

        let again = held(&stage, &token, "denied").await;
        decide(&stage, Verdict::Deny).await;
        assert_eq!(of_the_call(left_by(&stage, again).await), ["tools.call refused approval_denied"]);

        let again = held(&stage, &token, "late").await;
        stage.clock.advance(Seconds::minutes(20));
        assert_eq!(of_the_call(left_by(&stage, again).await), ["tools.call refused request_state_late"]);

        let (made, again) = (held(&stage, &token, "used").await, held(&stage, &token, "used").await);
        decide(&stage, Verdict::Approve).await;
        let done = of_the_call(left_by(&stage, made).await);
        assert_eq!(done, ["tools.call started", "tools.call done"]);
        stage.clock.advance(Seconds(61));
        assert_eq!(of_the_call(left_by(&stage, again).await), ["tools.call refused approval_used"]);

        let again = held(&stage, &token, "void").await;
        let policies = Policies::new(stage.database.clone(), stage.changes.clone(), Arc::new(stage.clock.clone()));
        let two = "@id(\"all\") @reason(\"-\") permit (principal, action, resource);\n\
            @id(\"two\") @reason(\"Two people.\") forbid (principal, action == Action::\"callTool\", resource) when { context.assurance < 3 };";
        policies.activate(two, "ada", "").await.unwrap();
        stage.changes.read().await.unwrap();
        assert_eq!(of_the_call(left_by(&stage, again).await), ["tools.call refused approval_void"]);
    }

    /// T46: an upstream that cannot be reached, says no, or asks what cannot be asked is one end of one call
    async fn each_failure_of_an_upstream_is_one_end_of_its_call(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/mcp")).await;
        stage.connect("legacy", &upstream.url("/sessions")).await;
        stage.connect("dead", "http://127.0.0.1:9/mcp").await;
        let token = stage.token(ALL);
        Draft::modern("/mcp", "tools/list", json!({})).bearing(&token).at(&stage).await;

        let dead = Draft::modern("/mcp", "tools/call", json!({"name": "dead__echo", "arguments": {}}));
        let left = of_the_call(left_by(&stage, dead.bearing(&token)).await);
        assert_eq!(left, ["tools.call refused connection_unreachable"]);

        let read = Draft::modern("/mcp", "resources/read", json!({"uri": "demo+test://nothing"}));
        let left = left_by(&stage, read.bearing(&token)).await;
        assert_eq!(left, ["resources.read failed upstream_error"]);

        let able: Value = json!({CAPABILITIES: {"elicitation": {}}});
        let params = json!({"name": "legacy__test_elicitation", "arguments": {"message": "?"}, "_meta": able});
        let asks = Draft::modern("/mcp", "tools/call", params);
        let left = of_the_call(left_by(&stage, asks.bearing(&token)).await);
        assert_eq!(left.len(), 2, "a beginning and an end: {left:?}");

        for (count, reason) in [(1024 * 1024, "result_size"), (2 * 1024 * 1024, "upstream_too_large")] {
            let big = json!({"name": "demo__big", "arguments": {"count": count}});
            let big = Draft::modern("/mcp", "tools/call", big).bearing(&token);
            let left = of_the_call(left_by(&stage, big).await);
            assert_eq!(left, ["tools.call started", &format!("tools.call failed {reason}")]);
        }
    }

    /// T46: a question that no server may ask is the end of its call, in whichever era its client would be asked
    async fn a_question_that_is_not_passed_on_ends_its_call(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/stateless")).await;
        let token = stage.token(ALL);
        let able = json!({"elicitation": {}});
        let mut params = json!({"name": "demo__test_input_required_result_password"});
        let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": &params});
        let session = session(&stage, &token, ("2025-11-25", able.clone())).await;
        let in_between = Draft::post("/mcp", &body).header("mcp-session-id", &session);
        params["_meta"] = json!({CAPABILITIES: able});
        for asks in [in_between, Draft::modern("/mcp", "tools/call", params)] {
            let left = of_the_call(left_by(&stage, asks.bearing(&token)).await);
            assert_eq!(left, ["tools.call started", "tools.call failed elicitation_refused"]);
        }
    }

    /// T46: a call whose client changed its mind is one end, whether somebody is there to be answered or not
    async fn a_change_of_mind_is_one_end_of_its_call(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/mcp")).await;
        let token = stage.token(ALL);
        let arrived = |calls| {
            let upstream = &upstream;
            async move { until("the call arrives", || upstream.seen_of("tools/call").len() == calls).await }
        };
        let session = session(&stage, &token, ("2025-11-25", json!({}))).await;
        let post = |body: &Value| Draft::post("/mcp", body).header("mcp-session-id", &session).bearing(&token);
        let hang = json!({"name": "demo__hang"});
        let begun = post(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": &hang}));
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
        let stopped = async {
            arrived(1).await;
            post(&cancel).at(&stage).await
        };
        let left = left_after(&stage, async { tokio::join!(begun.at(&stage), stopped) });
        assert_eq!(of_the_call(left.await), ["tools.call started", "tools.call failed cancelled"]);

        let begun = Draft::modern("/mcp", "tools/call", hang).bearing(&token).request();
        let left = left_after(&stage, async {
            tokio::select! {
                _ = stage.send(begun) => panic!("it was too fast"),
                () = arrived(2) => {}
            }
            // Nobody is answered any more: the server ends once everything is noted.
            stage.gateway.drain().await;
        });
        assert_eq!(of_the_call(left.await), ["tools.call started", "tools.call failed cancelled"]);
    }

    /// T46, T24: who keeps others waiting is given up, and that is one event
    async fn what_takes_too_long_is_one_event(database: TestDatabase) {
        let soon = Duration::from_millis(200);
        let patience = Patience { body: soon, silence: soon, ..Patience::default() };
        let stage = Stage::patient(database, patience).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/mcp")).await;
        let token = stage.token(ALL);
        let mut slow = Draft::raw("/mcp", "").bearing(&token).request();
        *slow.body_mut() = Body::from_stream(tokio_stream::pending::<Result<&str, std::io::Error>>());
        assert_eq!(left_after(&stage, stage.send(slow)).await, ["mcp.request refused body_slow"]);

        let hang = Draft::modern("/mcp", "tools/call", json!({"name": "demo__hang"})).bearing(&token);
        let left = of_the_call(left_by(&stage, hang).await);
        assert_eq!(left, ["tools.call started", "tools.call failed tool_deadline"]);
    }

    /// T46: what breaks off, or has no place in this revision, is one event
    async fn each_odd_request_is_one_event(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let posted = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
        let posted = Draft::post("/mcp", &posted).header("mcp-protocol-version", "2026-07-28").bearing(&token);
        assert_eq!(left_by(&stage, posted).await, ["mcp.request refused response_posted"]);

        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let twice = Draft::post("/mcp", &list).header("mcp-session-id", "a").header("mcp-session-id", "b").bearing(&token);
        let left = left_by(&stage, twice).await;
        assert!(left.len() == 1 && left[0].ends_with(" refused session_header"), "{left:?}");

        let mut cut = Draft::post("/mcp", &list).bearing(&token).request();
        let pieces = [Ok("{\"jsonrpc\""), Err(std::io::Error::other("the connection broke off"))];
        *cut.body_mut() = Body::from_stream(tokio_stream::iter(pieces));
        assert_eq!(left_after(&stage, stage.send(cut)).await, ["mcp.request refused body_cut"]);
    }
}
