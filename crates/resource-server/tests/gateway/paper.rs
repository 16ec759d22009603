//! The paper trail of the pipeline: one event a decision, whatever step takes it, with everything that is known by then and
//! nothing that is secret.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use axum::http::Method;
use portcullis_audit::{Kept, Order, Query, Records};
use portcullis_database::{ChangeFeed, both_engines};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::{Policies, Standing};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::draft::{Draft, call};
use crate::reasons::in_the_source;
use crate::stage::{ALL, Stage, Token};

const SECRET: &str = "canary-credential-of-the-connection";
const POLICY: &str = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) when { principal.id == resource.owner };\n\
    @id(\"not_this\") @reason(\"Not this.\") forbid (principal, action == Action::\"callTool\", resource) \
    when { context.arguments.hasTag(\"/message\") && context.arguments.getTag(\"/message\") == \"not this\" };";

/// A story that names a code: its file, from this crate's folder on, and the story's own name.
type Story = (&'static str, &'static str);

/// Codes that no row of the table below gives, each with the story that tells of it.
const ELSEWHERE: &[(&str, Story)] = &[
    ("approval_expired", RARE_APPROVALS),
    ("approval_lapsed", RARE_APPROVALS),
    ("approval_needed", ("tests/gateway/tools", "the_audit_tells_of_each_call_and_of_each_refusal")),
    ("approval_unavailable", ("tests/gateway/approvals", "what_is_no_call_of_a_tool_cannot_be_approved")),
    ("approval_used", RARE_APPROVALS),
    ("approval_void", RARE_APPROVALS),
    ("approvals_full", ("tests/gateway/approvals", "an_inbox_is_bounded")),
    ("arguments_rejected", ("tests/gateway/arguments", "arguments_are_mended_and_everybody_is_told")),
    ("body_cut", ("tests/gateway/rare", "each_odd_request_is_one_event")),
    ("body_slow", RARE_WAITS),
    ("cancelled", ("tests/gateway/rare", "a_change_of_mind_is_one_end_of_its_call")),
    ("connection_unreachable", RARE_UPSTREAMS),
    ("elicitation_refused", ("tests/gateway/rare", "a_question_that_is_not_passed_on_ends_its_call")),
    ("input_response", ("tests/gateway/rounds", "an_answer_to_something_else_goes_nowhere")),
    ("permission_missing", ("tests/gateway/own_tools", "they_are_there_for_those_who_were_given_the_scope")),
    ("proof_invalid", ("../../tests/stories/dpop_resources", "a_bad_proof_opens_nothing")),
    ("proof_nonce", ("../../tests/stories/dpop_resources", "a_nonce_is_asked_for_and_never_waived")),
    ("request_state", ("tests/gateway/ladder", "a_state_is_good_for_its_request_alone")),
    ("request_state_late", RARE_APPROVALS),
    ("response_posted", ("tests/gateway/rare", "each_odd_request_is_one_event")),
    ("result_schema", ("tests/gateway/upstreams", "a_result_that_breaks_the_tools_promise_is_not_passed_on")),
    ("result_size", RARE_UPSTREAMS),
    ("roots_refused", ("tests/gateway/sampling", "a_question_that_may_not_be_asked_ends_its_call")),
    ("sampling_refused", ("tests/gateway/sampling", "a_question_that_may_not_be_asked_ends_its_call")),
    ("schema_unusable", ("tests/gateway/arguments", "a_schema_that_cannot_be_used_is_told")),
    ("session_header", ("tests/gateway/rare", "each_odd_request_is_one_event")),
    ("streams_full", ("tests/gateway/midway", "a_user_has_so_many_streams")),
    ("subscriptions_full", ("tests/gateway/subscriptions", "what_a_session_watches_is_bounded")),
    ("token_unproven", ("../../tests/stories/dpop_resources", "a_bound_token_is_no_bearer_token")),
    ("tool_deadline", RARE_WAITS),
    ("tool_changed", ("tests/gateway/pins", "a_tool_that_changes_after_it_was_accepted_waits")),
    ("tool_quarantined", ("tests/gateway/pins", "under_quarantine_every_tool_waits_for_a_person")),
    ("unavailable", ("tests/gateway/limits", "without_its_buckets_nothing_is_called")),
    ("upstream_error", RARE_UPSTREAMS),
    ("upstream_later", ("../../tests/stories/upstream_refresh", "a_call_without_a_token_is_one_end")),
    (
        "upstream_not_mcp",
        ("tests/gateway/upstreams", "how_a_connection_stands_is_learned_from_what_its_server_answers"),
    ),
    ("upstream_not_offered", ("tests/gateway/subscriptions", "what_may_not_be_read_may_not_be_watched")),
];
const RARE_APPROVALS: Story = ("tests/gateway/rare", "each_end_of_an_approval_is_one_event_of_its_call");
const RARE_UPSTREAMS: Story = ("tests/gateway/rare", "each_failure_of_an_upstream_is_one_end_of_its_call");
const RARE_WAITS: Story = ("tests/gateway/rare", "what_takes_too_long_is_one_event");

/// What ELSEWHERE says is true: the story is there, and it names the code
#[test]
fn the_stories_that_tell_of_a_code_are_there() {
    for (code, (file, story)) in ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file).with_extension("rs");
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, from) = text
            .split_once(&format!("fn {story}("))
            .unwrap_or_else(|| panic!("{code}: no {story} in {file}"));
        let story =
            from.split("\n    async fn ").next().unwrap_or(from).split("\nasync fn ").next().unwrap_or(from);
        assert!(story.contains(code), "{code}: {file} does not name it");
    }
}

/// Every event so far.
pub(crate) async fn records(stage: &Stage) -> Vec<Kept> {
    let records = Records::new(stage.database.clone());
    records.page(&Query::default(), Order::Oldest, None, 2_000).await.unwrap().0
}

/// The events that a request leaves, in words: `tools.call refused policy`.
pub(crate) async fn left_by(stage: &Stage, draft: Draft) -> Vec<String> {
    left_after(stage, draft.at(stage)).await
}

/// The same of whatever is done.
pub(crate) async fn left_after<T>(stage: &Stage, doing: impl Future<Output = T>) -> Vec<String> {
    let before: BTreeSet<String> = records(stage).await.into_iter().map(|record| record.id).collect();
    doing.await;
    let words = |record: Kept| {
        let reason = record.reason.unwrap_or_default();
        format!("{} {} {reason}", record.action, record.outcome).trim_end().to_owned()
    };
    let all = records(stage).await.into_iter().filter(|record| !before.contains(&record.id));
    let mut left: Vec<String> = all.map(words).collect();
    left.sort_by_key(|words| !words.contains("started"));
    left
}

fn calling(tool: &str, arguments: &Value) -> Draft {
    Draft::modern("/mcp", "tools/call", json!({"name": tool, "arguments": arguments}))
}

fn listing() -> Draft {
    Draft::modern("/mcp", "tools/list", json!({}))
}

fn session_era(method: &str) -> Draft {
    Draft::post("/mcp", &json!({"jsonrpc": "2.0", "id": 1, "method": method}))
}

/// Steps 1 to 6: the request as such.
fn of_the_transport(token: &Token) -> Vec<(&'static str, Draft)> {
    let raw = |body: &str| Draft::raw("/mcp", body).bearing(token);
    let huge = format!("\"{}\"", "x".repeat(1024 * 1024));
    vec![
        ("host", listing().without("host").header("host", "rebound.example")),
        ("origin", listing().header("origin", "https://evil.example")),
        ("token_missing", listing()),
        ("token_malformed", listing().header("authorization", "Bearer two words")),
        ("accept", listing().without("accept").header("accept", "text/html").bearing(token)),
        (
            "content_type",
            listing().without("content-type").header("content-type", "text/plain").bearing(token),
        ),
        ("body_size", raw(&huge)),
        ("token_in_body", raw(&json!({"jsonrpc": "2.0", "id": 1, "method": token.text}).to_string())),
        ("body_json", raw("{\"a\": 1, \"a\": 2}")),
        ("batch", raw("[]")),
        ("envelope", raw("{\"jsonrpc\": \"1.0\"}")),
        (
            "header_mismatch",
            listing().without("mcp-method").header("mcp-method", "tools/call").bearing(token),
        ),
        ("protocol_version", session_era("ping").header("mcp-protocol-version", "1999-01-01").bearing(token)),
        (
            "envelope_missing",
            session_era("tools/list")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/list")
                .bearing(token),
        ),
        ("token_invalid", listing().header("authorization", "Bearer pcl_at_nobody_knows_this_one")),
        ("session_missing", session_era("tools/list").bearing(token)),
        ("session_unknown", session_era("tools/list").header("mcp-session-id", "pcl_ms_x").bearing(token)),
        (
            "session_unknown",
            Draft::new(Method::DELETE, "/mcp").header("mcp-session-id", "pcl_ms_x").bearing(token),
        ),
    ]
}

/// Steps 7 to 13: what is asked for.
fn of_the_operation(token: &Token, reader: &Token) -> Vec<(&'static str, Draft)> {
    let call = |tool: &str, arguments: Value| calling(tool, &arguments).bearing(token);
    let plain = json!({"message": "x"});
    let cursor = Draft::modern("/mcp", "tools/list", json!({"cursor": "nobody knows"}));
    let wrong = Draft::modern("/mcp", "tools/list", json!({"cursor": 7}));
    vec![
        ("scope_missing", calling("sandbox__echo", &plain).bearing(reader)),
        ("unknown_method", Draft::modern("/mcp", "tools/burn", json!({})).bearing(token)),
        ("invalid_params", wrong.bearing(token)),
        ("cursor_unknown", cursor.bearing(token)),
        ("tool_unknown", call("no_alias", plain.clone())),
        ("connection_unknown", call("nobody__echo", plain.clone())),
        ("tool_unknown", call("sandbox__nothing", plain.clone())),
        ("connection_not_active", call("asleep__echo", plain)),
        ("arguments_invalid", call("sandbox__echo", json!({"message": 1}))),
        ("policy", call("sandbox__echo", json!({"message": "not this"}))),
    ]
}

/// A stage with a policy, and with a connection that holds a secret and one that sleeps.
async fn set(database: portcullis_database::testing::TestDatabase, upstream: &Upstream) -> Stage {
    let stage = Stage::set(database).await;
    stage.connect_with("demo", &upstream.url("/mcp"), (NewTools::Allow, Some(SECRET))).await;
    let asleep = stage.connect("asleep", &upstream.url("/mcp")).await;
    let standing = Standing::reauth_required("test", "It sleeps.");
    stage.gateway.connections().set_status(&asleep, &standing).await.unwrap();
    let clock = Arc::new(stage.clock.clone());
    let feed = ChangeFeed::new(stage.database.clone(), clock.clone());
    Policies::new(stage.database.clone(), feed, clock).activate(POLICY, "ada", "").await.unwrap();
    stage.changes.read().await.unwrap();
    // What is seen for the first time has events of its own.
    Draft::modern("/mcp", "tools/list", json!({})).bearing(&stage.token(ALL)).at(&stage).await;
    stage
}

both_engines! {
    /// T46: each refusal of each step is one event with its reason code, each call two
    async fn every_decision_is_one_event_with_its_reason(database: TestDatabase) {
        let upstream = Upstream::start().await;
        let stage = set(database, &upstream).await;
        let (token, reader) = (stage.token(ALL), stage.token("mcp.tools.read"));
        let mut told: BTreeSet<String> = BTreeSet::new();
        let rows = of_the_transport(&token).into_iter().chain(of_the_operation(&token, &reader));
        for (reason, draft) in rows {
            let left = left_by(&stage, draft).await;
            assert!(left.len() == 1 && left[0].ends_with(&format!(" refused {reason}")), "{reason}: {left:?}");
            told.insert(reason.to_owned());
        }
        let done = left_by(&stage, calling("sandbox__echo", &json!({"message": "x"})).bearing(&token)).await;
        assert_eq!(done, ["tools.call started", "tools.call done"]);
        let failed = left_by(&stage, calling("sandbox__fail", &json!({})).bearing(&token)).await;
        assert_eq!(failed, ["tools.call started", "tools.call failed tool_failed"]);
        let wrong = left_by(&stage, calling("demo__test_error_handling", &json!({})).bearing(&token)).await;
        assert_eq!(wrong, ["tools.call started", "tools.call failed tool_error"]);
        assert_eq!(left_by(&stage, listing().bearing(&token)).await, ["tools.list done"]);
        for _ in 0..11 {
            call(&stage, &token, "sandbox__echo", json!({"message": "x"})).await;
        }
        let often = left_by(&stage, calling("sandbox__echo", &json!({"message": "x"})).bearing(&token)).await;
        assert_eq!(often, ["tools.call refused tool_rate_limit"]);
        for _ in 0..60 {
            call(&stage, &token, "no_alias", json!({})).await;
        }
        let often = left_by(&stage, calling("no_alias", &json!({})).bearing(&token)).await;
        assert_eq!(often, ["tools.call refused user_rate_limit"]);
        told.extend(["tool_failed", "tool_error", "tool_rate_limit", "user_rate_limit"].map(str::to_owned));

        told.extend(ELSEWHERE.iter().map(|(reason, _)| (*reason).to_owned()));
        let untold: Vec<String> = in_the_source().difference(&told).cloned().collect();
        assert!(untold.is_empty(), "no row tells these codes, nor does ELSEWHERE say where they are told: {untold:?}");
    }

    /// T46: what is known by then is in it, each thing in its column, and no canary anywhere
    async fn an_event_holds_what_is_known_and_no_secret(database: TestDatabase) {
        let upstream = Upstream::start().await;
        let stage = set(database, &upstream).await;
        let token = stage.token(ALL);
        stage.change(&token, |token| "pcl_at_canary_of_the_token".clone_into(&mut token.text));
        let token = Token { text: "pcl_at_canary_of_the_token".to_owned(), ..token };
        let arguments = json!({"message": "hello", "nested": {"apiKey": "canary-by-name"}, "list": [SECRET]});
        calling("demo__echo", &arguments).header("x-request-id", "req-7").bearing(&token).at(&stage).await;
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
        let session = Draft::post("/mcp", &initialize).bearing(&token).at(&stage).await;
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "sandbox__echo", "arguments": {"message": "not this"}}});
        let refused = Draft::post("/mcp", &body).header("mcp-session-id", session.header("mcp-session-id"));
        refused.bearing(&token).at(&stage).await;

        let all: Vec<Value> = records(&stage).await.iter().map(Kept::to_json).collect();
        let find = |outcome: &str| {
            all.iter().find(|record| record["action"] == "tools.call" && record["outcome"] == outcome).unwrap()
        };
        let started = find("started");
        assert_eq!(started["principal"], stage.alice.as_str());
        assert_eq!((&started["client"], &started["tool"]), (&json!("client_a"), &json!("demo__echo")));
        assert_eq!((&started["server_kind"], &started["trace_id"]), (&json!("http"), &json!("req-7")));
        assert_eq!(started["policy_version"], "1");
        assert_eq!((&started["detail"]["server"], &started["detail"]["rule"]), (&json!("demo"), &json!("owners")));
        assert_eq!(started["detail"]["arguments"]["message"], "hello");
        let done = find("done");
        assert_eq!((&done["result_kind"], &done["detail"]["is_error"]), (&json!("structured"), &json!(false)));
        assert!(done["duration_us"].is_i64() && done["detail"].get("arguments").is_none(), "{done}");
        let refused = find("refused");
        assert_eq!((&refused["reason"], &refused["detail"]["rule"]), (&json!("policy"), &json!("not_this")));
        assert_eq!((&refused["result_kind"], &refused["detail"]["is_error"]), (&json!("tool_error"), &json!(true)));
        assert!(refused["session"].is_string());

        let text = Value::from(all).to_string();
        for canary in [SECRET, "canary-by-name", &token.text, session.header("mcp-session-id")] {
            assert!(!canary.is_empty() && !text.contains(canary), "{canary}");
        }
    }
}

/// Client, gateway and upstream tell of one trace: with the gateway in between as the upstream's parent
#[tokio::test]
async fn a_clients_trace_goes_on_to_the_upstream() {
    let upstream = Upstream::start().await;
    let stage = set(portcullis_database::testing::sqlite().await, &upstream).await;
    let token = stage.token(ALL);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let given = format!("00-{trace}-00f067aa0ba902b7-01");
    let params = json!({"name": "demo__echo", "arguments": {"message": "x"}, "_meta": {"traceparent": given.as_str()}});
    Draft::modern("/mcp", "tools/call", params).bearing(&token).at(&stage).await;
    let seen = upstream.seen_of("tools/call");
    let there = seen[0].body["params"]["_meta"]["traceparent"].as_str().unwrap();
    assert!(there.starts_with(&format!("00-{trace}-")) && there != given, "{there}");
    let started =
        records(&stage).await.iter().map(Kept::to_json).find(|record| record["outcome"] == "started");
    assert_eq!(started.unwrap()["detail"]["trace"]["id"], trace);
}
