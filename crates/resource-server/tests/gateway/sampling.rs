//! What servers ask clients for in the middle of a call: what their model says, and where they work. Rounds of the stateless era
//! are told of in `rounds`.

use axum::body::{Body, BodyDataStream};
use axum::http::Method;
use portcullis_audit::Kept;
use portcullis_database::testing::sqlite;
use portcullis_database::{Change, ChangeKind, both_engines};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::draft::Draft;
use crate::paper::{left_by, records};
use crate::patience::until;
use crate::rungs::{CAPABILITIES, next, session};
use crate::stage::{ALL, Stage, Token};

/// A question to a client's model.
pub(crate) fn sampling(prompt: &str) -> Value {
    let content = json!({"type": "text", "text": prompt});
    json!({"method": "sampling/createMessage", "params": {"messages": [{"role": "user", "content": content}], "maxTokens": 100}})
}

/// Where a client works; the question has no parameters.
pub(crate) fn roots() -> Value {
    json!({"method": "roots/list"})
}

/// What a model said.
pub(crate) fn said(text: &str) -> Value {
    json!({"role": "assistant", "content": {"type": "text", "text": text}, "model": "m", "stopReason": "endTurn"})
}

pub(crate) fn folders() -> Value {
    json!({"roots": [{"uri": "file:///home/ada/work", "name": "Work"}]})
}

pub(crate) fn able() -> Value {
    json!({"sampling": {}, "roots": {}})
}

/// A client with a session, and a tool that asks what its arguments say.
pub(crate) struct Asked<'s> {
    stage: &'s Stage,
    token: Token,
    session: String,
}

impl<'s> Asked<'s> {
    /// A client that can do this.
    pub(crate) async fn able(stage: &'s Stage, capabilities: Value) -> Self {
        let token = stage.token(ALL);
        let session = session(stage, &token, ("2025-11-25", capabilities)).await;
        Self { stage, token, session }
    }

    fn post(&self, message: &Value) -> Draft {
        Draft::post("/mcp", message).header("mcp-session-id", &self.session).bearing(&self.token)
    }

    fn draft(&self, alias: &str, arguments: &Value) -> Draft {
        let params = json!({"name": format!("{alias}__ask_anything"), "arguments": arguments});
        self.post(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}))
    }

    /// Calls it; what it asks comes out of the stream.
    pub(crate) async fn call(&self, alias: &str, arguments: &Value) -> BodyDataStream {
        let response = self.stage.send(self.draft(alias, arguments).request()).await;
        Body::into_data_stream(response.into_body())
    }

    /// Answers a question.
    pub(crate) async fn answer(&self, question: &Value, (member, answer): (&str, Value)) {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], member: answer});
        assert_eq!(self.post(&answer).at(self.stage).await.status, 202);
    }

    /// Answers a question that may be over by now.
    pub(crate) async fn answer_late(&self, question: &Value, (member, answer): (&str, Value)) {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], member: answer});
        self.post(&answer).at(self.stage).await;
    }

    /// The one answer that the server got, where its client is not asked at all.
    async fn unasked(&self, alias: &str, request: &Value) -> Value {
        let done = self.draft(alias, &json!({"requests": {"only": request}})).at(self.stage).await;
        assert!(done.said.is_empty(), "the client was asked: {:?}", done.said);
        got(&done.body, "only")
    }
}

/// What the server got as an answer to this question.
fn got(last: &Value, key: &str) -> Value {
    let text = last["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{last}"));
    serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("{text}"))[key].take()
}

/// What the last event of a call says of questions.
async fn told(stage: &Stage) -> Value {
    let all = records(stage).await;
    let ended = all.iter().rev().map(Kept::to_json);
    let mut ended = ended.filter(|event| event["action"] == "tools.call" && event["outcome"] != "started");
    ended.next().unwrap()["detail"]["asked"].clone()
}

both_engines! {
    /// T33, T34, MRTR-3: a client that declares it is asked by a server that may, under the connection's name and without the
    /// connection's secrets, in the middle of its call, of whichever era the server is
    async fn a_session_is_asked_what_its_model_says_and_where_it_works(database: TestDatabase) {
        let (stage, upstream) = (Stage::set(database).await, Upstream::start().await);
        for (alias, path) in [("legacy", "/sessions"), ("modern", "/stateless")] {
            stage.connect_with(alias, &upstream.url(path), (NewTools::Allow, Some("canary-credential"))).await;
            stage.let_ask(alias, &["sampling", "roots"]).await;
            let client = Asked::able(&stage, able()).await;
            let mut asks = sampling("Is it canary-credential? Or can\u{200b}ary-credential?");
            asks["params"]["includeContext"] = json!("allServers");
            let mut stream = client.call(alias, &json!({"requests": {"said": asks, "where": roots()}})).await;
            let question = next(&mut stream).await;
            assert_eq!(question["method"], "sampling/createMessage");
            let params = &question["params"];
            assert_eq!(params["messages"][0]["content"]["text"], "Is it [removed]? Or [removed]?");
            assert_eq!(params["includeContext"], "none");
            assert_eq!(params["_meta"], json!({"portcullis/connection": alias}));
            let prompt = params["systemPrompt"].as_str().unwrap();
            assert!(prompt.contains(&format!("the connection \"{alias}\"")), "{prompt}");
            client.answer(&question, ("result", said("No."))).await;
            let question = next(&mut stream).await;
            assert_eq!((&question["method"], &question["params"]["_meta"]["portcullis/connection"]), (&json!("roots/list"), &json!(alias)));
            client.answer(&question, ("result", folders())).await;
            let last = next(&mut stream).await;
            // In between a whole message answers, in rounds its result.
            let whole = |answer: Value| answer.get("result").cloned().unwrap_or(answer);
            assert_eq!(whole(got(&last, "said")), said("No."));
            assert_eq!(whole(got(&last, "where")), folders());
            assert_eq!(told(&stage).await, json!({"sampling": 1, "roots": 1}));
        }
    }

    /// MRTR-3, T20: nothing of it is asked until an admin says so, which holds at once, and so does the opposite
    async fn a_server_may_ask_once_an_admin_says_so(database: TestDatabase) {
        let (stage, upstream) = (Stage::set(database).await, Upstream::start().await);
        stage.connect("demo", &upstream.url("/sessions")).await;
        let client = Asked::able(&stage, able()).await;
        let declared = || upstream.seen_of("initialize").last().unwrap().body["params"]["capabilities"].clone();
        assert_eq!(client.unasked("demo", &sampling("?")).await["error"]["code"], -32_601);
        assert_eq!(client.unasked("demo", &roots()).await["error"]["code"], -32_601);
        assert_eq!(declared(), json!({}));

        stage.let_ask("demo", &["roots"]).await;
        assert_eq!(client.unasked("demo", &sampling("?")).await["error"]["code"], -32_601);
        assert_eq!(declared(), json!({"roots": {}}));
        let mut stream = client.call("demo", &json!({"requests": {"where": roots()}})).await;
        let question = next(&mut stream).await;
        client.answer(&question, ("result", folders())).await;
        assert_eq!(got(&next(&mut stream).await, "where")["result"], folders());

        let before = upstream.seen_of("DELETE").len();
        stage.let_ask("demo", &[]).await;
        until("what was opened before ends", || upstream.seen_of("DELETE").len() > before).await;
        assert_eq!(client.unasked("demo", &roots()).await["error"]["code"], -32_601);
    }

    /// T46: what a server asks that it may not is the end of a call that waits for it, with a reason of its own
    async fn a_question_that_may_not_be_asked_ends_its_call(database: TestDatabase) {
        let (stage, upstream) = (Stage::set(database).await, Upstream::start().await);
        stage.connect("demo", &upstream.url("/stateless")).await;
        let client = Asked::able(&stage, able()).await;
        for (request, reason) in [(sampling("?"), "sampling_refused"), (roots(), "roots_refused")] {
            let arguments = json!({"requests": {"only": request}});
            let in_between = client.draft("demo", &arguments);
            let params = json!({"name": "demo__ask_anything", "arguments": arguments, "_meta": {CAPABILITIES: able()}});
            let in_rounds = Draft::modern("/mcp", "tools/call", params).bearing(&client.token);
            for asks in [in_between, in_rounds] {
                let mut left = left_by(&stage, asks).await;
                left.retain(|event| event.starts_with("tools.call"));
                assert_eq!(left, ["tools.call started", &format!("tools.call failed {reason}")]);
                assert_eq!(told(&stage).await, json!({"refused": 1}));
            }
        }
    }
}

/// T20: what a stream of changes opened was told what the server may ask for, too, and ends when that changes
#[tokio::test]
async fn what_a_stream_opened_ends_when_its_server_may_ask_for_something_else() {
    let (stage, upstream) = (Stage::set(sqlite().await).await, Upstream::start().await);
    let demo = stage.connect("demo", &upstream.url("/sessions")).await;
    let client = Asked::able(&stage, able()).await;
    let listen = Draft::new(Method::GET, "/mcp").header("accept", "text/event-stream");
    let listen = listen.header("mcp-session-id", &client.session).bearing(&client.token);
    let _stream = stage.send(listen.request()).await;
    for (round, words) in [&["sampling"][..], &[]].into_iter().enumerate() {
        until("the stream is open", || upstream.listening() == 1).await;
        stage.let_ask("demo", words).await;
        until("it ends", || upstream.seen_of("DELETE").len() > round).await;
        // What is open to a connection that changed is opened anew at once.
        stage.changes.publish(&Change::new(ChangeKind::Connection, demo.id.as_str()));
    }
}

/// MRTR-3, T33: a server that may is not told of what the client did not declare, and gets no such answer
#[tokio::test]
async fn a_client_that_declares_nothing_of_it_is_not_asked() {
    let (stage, upstream) = (Stage::set(sqlite().await).await, Upstream::start().await);
    stage.connect("demo", &upstream.url("/sessions")).await;
    stage.let_ask("demo", &["sampling", "roots"]).await;
    let client = Asked::able(&stage, json!({"sampling": {}})).await;
    assert_eq!(client.unasked("demo", &roots()).await["error"]["code"], -32_601);
    let with_tools = {
        let mut asks = sampling("?");
        asks["params"]["toolChoice"] = json!({"mode": "auto"});
        asks
    };
    assert_eq!(client.unasked("demo", &with_tools).await["error"]["code"], -32_602);
    let declared = |at: usize| upstream.seen_of("initialize")[at].body["params"]["capabilities"].clone();
    let calls = upstream.seen_of("initialize").len();
    assert_eq!(declared(calls - 1), json!({"sampling": {}}));

    // A server with sessions would ask in the middle of a call, where a client of the stateless era is not asked.
    let params = json!({"name": "demo__ask_anything", "arguments": {"requests": {"only": sampling("?")}}, "_meta": {CAPABILITIES: able()}});
    let done = Draft::modern("/mcp", "tools/call", params).bearing(&client.token).at(&stage).await;
    assert_eq!(got(&done.body, "only")["error"]["code"], -32_601);
    assert_eq!(declared(calls), json!({}));
}

/// ELIC-2: lists are the same for every client, so that they are asked for as by one that can do all that its server may ask
#[tokio::test]
async fn a_list_is_asked_for_with_all_that_its_server_may_ask() {
    let (stage, upstream) = (Stage::set(sqlite().await).await, Upstream::start().await);
    stage.connect("demo", &upstream.url("/sessions")).await;
    stage.let_ask("demo", &["sampling"]).await;
    Draft::modern("/mcp", "prompts/list", json!({})).bearing(&stage.token(ALL)).at(&stage).await;
    let declared = upstream.seen_of("initialize").last().unwrap().body["params"]["capabilities"].clone();
    assert_eq!(declared["sampling"], json!({"tools": {}}));
    assert_eq!(declared.get("roots"), None);
}

/// T33: a question that is not fit is refused and the call goes on, which the paper trail tells
#[tokio::test]
async fn a_question_that_is_not_fit_is_told_to_who_asks() {
    let (stage, upstream) = (Stage::set(sqlite().await).await, Upstream::start().await);
    stage.connect("demo", &upstream.url("/sessions")).await;
    stage.let_ask("demo", &["sampling"]).await;
    let client = Asked::able(&stage, able()).await;
    let mut wrong = sampling("?");
    wrong["params"]["maxTokens"] = json!(0);
    let refused = client.unasked("demo", &wrong).await;
    assert_eq!(refused["error"]["code"], -32_602);
    assert_eq!(told(&stage).await, json!({"refused": 1}));
}

/// Connections to servers of either era that may ask for everything.
async fn of_both_eras() -> (Stage, Upstream) {
    let (stage, upstream) = (Stage::set(sqlite().await).await, Upstream::start().await);
    for (alias, path) in [("legacy", "/sessions"), ("modern", "/stateless")] {
        stage.connect(alias, &upstream.url(path)).await;
        stage.let_ask(alias, &["sampling", "roots"]).await;
    }
    (stage, upstream)
}

/// T33: a call costs its user's model so much and no more, whatever its server asks
#[tokio::test]
async fn a_call_asks_sixteen_times_and_no_more() {
    let (stage, _upstream) = of_both_eras().await;
    let client = Asked::able(&stage, able()).await;
    let mut stream = client.call("legacy", &json!({"requests": {"said": sampling("?")}, "times": 17})).await;
    for _ in 0..16 {
        let question = next(&mut stream).await;
        client.answer(&question, ("result", said("yes"))).await;
    }
    let refused = got(&next(&mut stream).await, "said");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("may not ask so often"), "{refused}");
    assert_eq!(told(&stage).await, json!({"sampling": 16, "refused": 1}));

    // The same of rounds that are bridged: none of the third is asked.
    let many: serde_json::Map<_, _> = (0..6).map(|at| (format!("q{at}"), sampling("?"))).collect();
    let mut stream = client.call("modern", &json!({"requests": many, "times": 3})).await;
    for _ in 0..12 {
        let question = next(&mut stream).await;
        client.answer(&question, ("result", said("yes"))).await;
    }
    let last = next(&mut stream).await;
    assert_eq!(last["result"]["isError"], true, "{last}");
    assert_eq!(stage.reasons().await.last().map(String::as_str), Some("sampling_refused"));
}

/// T33: what a client answers is passed on if it is an answer to the question, and so is its error
#[tokio::test]
async fn an_answer_is_one_to_what_was_asked() {
    let (stage, _upstream) = of_both_eras().await;
    let client = Asked::able(&stage, able()).await;
    let no = json!({"code": -1, "message": "User rejected sampling request"});
    for (request, answer, code) in [
        (sampling("?"), ("error", no.clone()), -1),
        (sampling("?"), ("result", folders()), -32_603),
        (roots(), ("result", said("yes")), -32_603),
        (roots(), ("result", json!({"roots": [{"uri": "https://example.com/"}]})), -32_603),
    ] {
        let arguments = json!({"requests": {"only": request}});
        let mut stream = client.call("legacy", &arguments).await;
        let question = next(&mut stream).await;
        client.answer(&question, answer.clone()).await;
        assert_eq!(got(&next(&mut stream).await, "only")["error"]["code"], code);

        // There are no errors in rounds: the call ends, and its client is told why.
        let mut stream = client.call("modern", &arguments).await;
        let question = next(&mut stream).await;
        client.answer(&question, answer).await;
        let last = next(&mut stream).await;
        assert_eq!(last["result"]["isError"], true, "{last}");
    }
}

/// T33: what a server asks while no call runs is refused, and no client hears of it
#[tokio::test]
async fn nobody_is_asked_while_no_call_runs() {
    let (stage, upstream) = (Stage::set(sqlite().await).await, Upstream::start().await);
    stage.connect("demo", &upstream.url("/sessions")).await;
    stage.let_ask("demo", &["roots"]).await;
    let client = Asked::able(&stage, able()).await;
    let open = Draft::new(Method::GET, "/mcp").header("accept", "text/event-stream");
    let open = open.header("mcp-session-id", &client.session).bearing(&client.token);
    let mut stream = Body::into_data_stream(stage.send(open.request()).await.into_body());
    until("somebody listens", || upstream.listening() == 1).await;
    upstream.ask("roots/list");
    until("it is refused", || {
        let answers = upstream.seen_of("POST");
        answers.iter().any(|answer| answer.body["error"]["code"] == -32_601)
    })
    .await;
    upstream.announce("notifications/tools/list_changed");
    assert_eq!(
        next(&mut stream).await["method"],
        "notifications/tools/list_changed",
        "and nothing before it"
    );
}
