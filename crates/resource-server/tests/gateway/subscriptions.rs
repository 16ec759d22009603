//! Subscriptions to single resources, in both eras on either side: who hears of what, and what is refused.

use std::sync::Arc;

use axum::body::BodyDataStream;
use axum::http::Method;
use portcullis_database::testing::sqlite;
use portcullis_database::{ChangeFeed, both_engines};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::oauth::{PrincipalId, PrincipalKind};
use portcullis_resource_server::{Gateway, Policies, Rates};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};

use crate::changes::{next, open, quiet};
use crate::draft::{Answer, Draft};
use crate::paper::left_after;
use crate::patience::until;
use crate::stage::{ALL, Stage, Token};

pub(crate) const WATCHED: &str = "test://watched-resource";
const UPDATED: &str = "notifications/resources/updated";
/// What upstreams say last in these stories.
const LAST: &str = "notifications/prompts/list_changed";

/// A client with a session.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) token: Token,
    pub(crate) path: &'static str,
    pub(crate) session: String,
}

impl Client {
    /// One that speaks the last revision with sessions.
    pub(crate) async fn greeted(stage: &Stage, token: Token, path: &'static str) -> Self {
        let params = json!({"protocolVersion": "2025-11-25"});
        let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let begun = Draft::post(path, &begin).bearing(&token).at(stage).await;
        let session = begun.header("mcp-session-id").to_owned();
        Self { token, path, session }
    }

    fn draft(&self, method: &str, uri: &str) -> Draft {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"uri": uri}});
        Draft::post(self.path, &body).header("mcp-session-id", &self.session).bearing(&self.token)
    }

    pub(crate) async fn subscribe(&self, at: &Gateway, uri: &str) -> Answer {
        self.draft("resources/subscribe", uri).at_gateway(at).await
    }

    pub(crate) async fn unsubscribe(&self, at: &Gateway, uri: &str) -> Answer {
        self.draft("resources/unsubscribe", uri).at_gateway(at).await
    }

    pub(crate) fn bodyless(&self, method: Method) -> Draft {
        let draft = Draft::new(method, self.path).header("accept", "text/event-stream");
        draft.header("mcp-session-id", &self.session).bearing(&self.token)
    }

    pub(crate) async fn stream(&self, stage: &Stage) -> BodyDataStream {
        open(stage, self.bodyless(Method::GET)).await
    }
}

pub(crate) fn listen(token: &Token, filter: &Value) -> Draft {
    Draft::modern("/mcp", "subscriptions/listen", json!({"notifications": filter})).bearing(token)
}

/// The next resource of which a stream tells.
pub(crate) async fn updated(stream: &mut BodyDataStream) -> String {
    loop {
        let said = next(stream).await.unwrap();
        if said["method"] == UPDATED {
            return said["params"]["uri"].as_str().unwrap().to_owned();
        }
    }
}

/// The resources that a stream tells of before it tells of something that its upstream says only now.
pub(crate) async fn told_by_now(stream: &mut BodyDataStream, upstream: &Upstream) -> Vec<String> {
    upstream.announce(LAST);
    let mut told = vec![];
    loop {
        let said = next(stream).await.unwrap();
        if said["method"] == LAST {
            return told;
        }
        if said["method"] == UPDATED {
            told.push(said["params"]["uri"].as_str().unwrap().to_owned());
        }
    }
}

async fn policy(stage: &Stage, rule: &str) {
    let clock = Arc::new(stage.clock.clone());
    let feed = ChangeFeed::new(stage.database.clone(), clock.clone());
    let owners = "@id(\"owners\") @reason(\"Yours.\") permit (principal, action, resource) \
                  when { principal.id == resource.owner };";
    let text = format!("{owners}\n@id(\"rule\") @reason(\"Not this.\") {rule}");
    Policies::new(stage.database.clone(), feed, clock).activate(&text, "ada", "").await.unwrap();
    stage.changes.read().await.unwrap();
}

both_engines! {
    /// A session hears of what it subscribed to and of nothing else, under the name that it used, whatever its upstream speaks
    async fn a_session_hears_of_what_it_subscribed_to(database: TestDatabase) {
        let stage = Stage::set(database).await;
        for (alias, era) in [("legacy", "/sessions"), ("modern", "/stateless"), ("oldest", "/sse")] {
            let upstream = Upstream::start().await;
            stage.connect(alias, &upstream.url(era)).await;
            let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
            let other = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
            let (mut stream, mut others) = (client.stream(&stage).await, other.stream(&stage).await);
            let (name, another) = (format!("{alias}+{WATCHED}"), format!("{alias}+test://static-text"));
            assert_eq!(other.subscribe(&stage.gateway, &another).await.body["result"], json!({}));
            for _ in 0..2 {
                let subscribed = client.subscribe(&stage.gateway, &name).await;
                assert_eq!(subscribed.body["result"], json!({}), "twice is once: {}", subscribed.body);
            }
            upstream.change("test://static-text");
            upstream.change(WATCHED);
            assert_eq!(updated(&mut stream).await, name, "{era}");
            assert_eq!(updated(&mut others).await, another, "{era}");
            upstream.announce("notifications/tools/list_changed");
            assert_eq!(next(&mut stream).await.unwrap()["method"], "notifications/tools/list_changed");
            for _ in 0..2 {
                let ended = client.unsubscribe(&stage.gateway, &name).await;
                assert_eq!(ended.body["result"], json!({}), "what is not subscribed is a plain success");
            }
            upstream.change(WATCHED);
            upstream.change("test://static-text");
            assert_eq!(told_by_now(&mut stream, &upstream).await, [""; 0]);
            assert_eq!(updated(&mut others).await, another, "it goes on");
        }
    }

    /// HTTP26-21: the filter is honoured as far as it may be, and each notification names its stream
    async fn a_filter_names_the_resources_that_are_told_of(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("legacy", &upstream.url("/sessions")).await;
        stage.connect("modern", &upstream.url("/stateless")).await;
        let (one, two) = (format!("legacy+{WATCHED}"), format!("modern+{WATCHED}"));
        let asked = json!([one, "legacy+test://nowhere", two, "nobody+test://x", "sandbox+test://x", one]);
        let draft = listen(&stage.token(ALL), &json!({"resourceSubscriptions": asked}));
        let mut stream = open(&stage, draft).await;
        let first = next(&mut stream).await.unwrap();
        assert_eq!(first["params"]["notifications"], json!({"resourceSubscriptions": [one, two]}));
        upstream.change(WATCHED);
        let mut heard = vec![];
        for _ in 0..2 {
            let said = next(&mut stream).await.unwrap();
            assert_eq!(said["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
            heard.push(said["params"]["uri"].clone());
        }
        heard.sort_by_key(Value::to_string);
        assert_eq!(heard, [json!(one), json!(two)]);
        upstream.announce("notifications/tools/list_changed");
        assert_eq!(quiet(&mut stream).await, 0, "no list was asked for");
    }

    /// Any node serves any session: subscribed at one, told at another
    async fn a_session_subscribes_at_one_node_and_hears_at_another(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/sessions")).await;
        let (neighbour, _) = stage.another_node().await;
        let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
        let mut stream = client.stream(&stage).await;
        until("it is listened", || upstream.listening() == 1).await;
        // What was written before is read, too, and told of.
        stage.changes.read().await.unwrap();
        told_by_now(&mut stream, &upstream).await;
        let name = format!("demo+{WATCHED}");
        assert_eq!(client.subscribe(&neighbour, &name).await.body["result"], json!({}));
        stage.changes.read().await.unwrap();
        assert_eq!(updated(&mut stream).await, name, "it may have changed before this node heard of it");
        upstream.change(WATCHED);
        assert_eq!(updated(&mut stream).await, name);
        client.unsubscribe(&neighbour, &name).await;
        stage.changes.read().await.unwrap();
        upstream.change(WATCHED);
        assert_eq!(told_by_now(&mut stream, &upstream).await, [""; 0]);
        until("the upstream is told", || !upstream.seen_of("resources/unsubscribe").is_empty()).await;
    }

    /// T46, MCP-AUTH-10, T18: who may not read a resource may not watch it; each refusal is one event with its reason
    async fn what_may_not_be_read_may_not_be_watched(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/sessions")).await;
        stage.connect_with("waits", &upstream.url("/sessions"), (NewTools::Quarantine, None)).await;
        policy(&stage, "forbid (principal, action == Action::\"readResource\", resource) when \
            { resource.uri == \"test://static-text\" || resource.uri == \"test://static-binary\" && context.assurance < 2 };").await;
        let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
        let blind = Client::greeted(&stage, stage.token("mcp.tools.read"), "/mcp").await;
        let bob = stage.token_of(&PrincipalId::generate(PrincipalKind::User), "/mcp", ALL);
        let bob = Client::greeted(&stage, bob, "/mcp").await;
        let (watched, long) = (format!("demo+{WATCHED}"), format!("demo+test://{}", "x".repeat(4_100)));
        for (who, uri, status, code, left) in [
            (&client, "demo+test://static-text", 200, -32_602, "refused policy"),
            (&client, "demo+test://static-binary", 200, -32_602, "refused approval_unavailable"),
            (&client, "waits+test://static-text", 200, -32_602, "refused quarantined"),
            (&client, "no-name", 200, -32_602, "refused tool_unknown"),
            (&client, &long, 200, -32_602, "refused invalid_params"),
            (&bob, &watched, 200, -32_602, "refused connection_unknown"),
            (&blind, &watched, 403, 0, "refused scope_missing"),
            (&client, "demo+test://nowhere", 200, -32_002, "failed upstream_error"),
            (&client, "sandbox+test://x", 200, -32_601, "failed upstream_not_offered"),
        ] {
            let mut answer = None;
            let events = left_after(&stage, async { answer = Some(who.subscribe(&stage.gateway, uri).await) }).await;
            let answer = answer.unwrap();
            assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{uri}: {}", answer.body);
            assert_eq!(events, [format!("resources.subscribe {left}")], "{uri}");
        }
        let done = left_after(&stage, client.subscribe(&stage.gateway, &watched)).await;
        assert_eq!(done, ["resources.subscribe done"]);
        let done = left_after(&stage, client.unsubscribe(&stage.gateway, &watched)).await;
        assert_eq!(done, ["resources.unsubscribe done"]);
        assert!(upstream.seen_of("resources/subscribe").iter().all(|seen| seen.body["params"]["uri"] != "test://static-text"));
    }

    /// T24: a session watches so many resources and no more, of however long a name
    async fn what_a_session_watches_is_bounded(database: TestDatabase) {
        let stage = Stage::with_rates(database, Rates { calls: 1_000, ..Rates::default() }).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/sessions")).await;
        let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
        let long: String = (0..1_000).map(|at| (at * 7_919 % 9_973).to_string()).collect();
        let name = |at: usize| format!("demo+test://template/{at}-{long}/data");
        let stream = client.stream(&stage).await;
        for at in 0..64 {
            assert_eq!(client.subscribe(&stage.gateway, &name(at)).await.body["result"], json!({}), "{at}");
        }
        let full = client.subscribe(&stage.gateway, &name(64)).await;
        assert_eq!(full.body["error"]["message"], "A session watches 64 resources at most: unsubscribe from another one.");
        assert_eq!(stage.reasons().await.last().unwrap(), "subscriptions_full");
        assert_eq!(client.subscribe(&stage.gateway, &name(1)).await.body["result"], json!({}), "it is one of them");
        client.unsubscribe(&stage.gateway, &name(2)).await;
        assert_eq!(client.subscribe(&stage.gateway, &name(64)).await.body["result"], json!({}));
        let filter = json!({"resourceSubscriptions": (0..65).map(name).collect::<Vec<_>>()});
        let refused = listen(&client.token, &filter).at(&stage).await;
        assert_eq!(refused.code(), -32_602, "{}", refused.body);
        drop(stream);
    }
}

/// What an upstream does not offer is told in words, and not declared where that is known
#[tokio::test]
async fn a_server_that_tells_of_nothing_is_told_apart() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    upstream.tell_of_no_resource();
    for (alias, era) in [("legacy", "/sessions"), ("modern", "/stateless")] {
        stage.connect(alias, &upstream.url(era)).await;
        let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
        let refused = client.subscribe(&stage.gateway, &format!("{alias}+{WATCHED}")).await;
        let message = format!("{alias}: the server does not tell when this resource changes.");
        assert_eq!((refused.code(), &refused.body["error"]["message"]), (-32_601, &json!(message)));
    }
    let other = Upstream::start().await;
    stage.connect("other", &other.url("/sessions")).await;
    for (path, offered) in
        [("/mcp", true), ("/mcp/legacy", false), ("/mcp/sandbox", false), ("/mcp/other", true)]
    {
        let token = stage.token_of(&stage.alice, path, ALL);
        let found = Draft::modern(path, "server/discover", json!({})).bearing(&token).at(&stage).await;
        let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
        let begun = Draft::post(path, &begin).bearing(&token).at(&stage).await;
        for answer in [found, begun] {
            let declared = &answer.body["result"]["capabilities"]["resources"];
            assert_eq!(declared.get("subscribe") == Some(&json!(true)), offered, "{path}: {declared}");
        }
    }
}

/// At one connection its own names are used
#[tokio::test]
async fn at_one_connection_resources_have_their_own_names() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token_of(&stage.alice, "/mcp/demo", ALL);
    let client = Client::greeted(&stage, token, "/mcp/demo").await;
    let mut stream = client.stream(&stage).await;
    assert_eq!(client.subscribe(&stage.gateway, WATCHED).await.body["result"], json!({}));
    upstream.change(WATCHED);
    assert_eq!(updated(&mut stream).await, WATCHED);
}

/// T34: a server may tell of a part of what was asked for; of one that may not be read, or whose name holds a secret, nobody
/// hears
#[tokio::test]
async fn a_part_of_a_resource_is_told_of_as_far_as_it_may_be_read() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage
        .connect_with("demo", &upstream.url("/sessions"), (NewTools::Allow, Some("stored-s3cret-value")))
        .await;
    policy(&stage, "forbid (principal, action == Action::\"readResource\", resource) when { resource.uri like \"*/inner\" };").await;
    let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
    let mut stream = client.stream(&stage).await;
    client.subscribe(&stage.gateway, &format!("demo+{WATCHED}")).await;
    for part in ["/inner", "/stored-s3cret-value", "/line\nbreak", "/outer"] {
        upstream.change(&format!("{WATCHED}{part}"));
    }
    assert_eq!(updated(&mut stream).await, format!("demo+{WATCHED}/outer"));
}
