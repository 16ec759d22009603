//! Streams of changes, in both eras: what they tell, to whom, and when they end.

use std::time::Duration;

use crate::draft::{Draft, events};
use crate::patience::until;
use crate::stage::{ALL, Stage};
use axum::body::{Body, BodyDataStream};
use axum::http::Method;
use portcullis_database::testing::sqlite;
use portcullis_database::{Change, ChangeKind, both_engines};
use portcullis_resource_server::oauth::{Alias, Clock, PrincipalId, PrincipalKind};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

/// The next message of a stream; nothing when it ends.
pub(crate) async fn next(stream: &mut BodyDataStream) -> Option<Value> {
    while let Some(bytes) = stream.next().await {
        if let Some(message) = events(&bytes.unwrap()).pop() {
            return Some(message);
        }
    }
    None
}

/// Reads what comes until nothing does, and counts it.
pub(crate) async fn quiet(stream: &mut BodyDataStream) -> usize {
    let mut count = 0;
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(300), next(stream)).await {
        count += 1;
    }
    count
}

pub(crate) async fn open(stage: &Stage, draft: Draft) -> BodyDataStream {
    let response = stage.send(draft.request()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Body::into_data_stream(response.into_body())
}

fn listen(filter: &Value) -> Draft {
    Draft::modern("/mcp", "subscriptions/listen", json!({"notifications": filter}))
}

both_engines! {
    /// HTTP26-21: acknowledged first, only what was asked for, each under the id of the request
    async fn a_subscription_tells_of_what_it_was_opened_for(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let token = stage.token(ALL);
        let mut stream = open(&stage, listen(&json!({"toolsListChanged": true, "later": true})).bearing(&token)).await;
        let acknowledged = next(&mut stream).await.unwrap();
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(acknowledged["params"]["notifications"], json!({"toolsListChanged": true}));
        assert_eq!(acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
        quiet(&mut stream).await;
        let bob = PrincipalId::generate(PrincipalKind::User);
        let alias = Alias::parse("more").unwrap();
        stage.gateway.connections().create(&bob, &alias, "sandbox", "Bob's").await.unwrap();
        assert_eq!(quiet(&mut stream).await, 0, "Bob's are not Alice's");
        stage.gateway.connections().create(&stage.alice, &alias, "sandbox", "More").await.unwrap();
        let changed = next(&mut stream).await.unwrap();
        assert_eq!(changed["method"], "notifications/tools/list_changed");
        assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
    }
}

/// T20, MCP-AUTH-8: a stream ends with the token that opened it
#[tokio::test]
async fn a_stream_ends_with_its_authorization() {
    let stage = Stage::set(sqlite().await).await;
    let token = stage.token(ALL);
    let mut stream = open(&stage, listen(&json!({"toolsListChanged": true})).bearing(&token)).await;
    next(&mut stream).await.unwrap();
    stage.verifier.tokens.lock().unwrap().clear();
    let mut transaction = stage.database.begin().await.unwrap();
    let change = Change::new(ChangeKind::User, stage.alice.as_str());
    transaction.record_change(&change, stage.clock.now()).await.unwrap();
    transaction.commit().await.unwrap();
    stage.changes.publish(&change);
    // What was told before the end may still be on its way.
    let ended =
        tokio::time::timeout(Duration::from_secs(5), async { while next(&mut stream).await.is_some() {} });
    ended.await.unwrap();
    let refused = listen(&json!({})).bearing(&token).at(&stage).await;
    assert_eq!(refused.status, 401);
}

/// HTTP25-7: a session's stream tells of what upstreams say, and lists are asked for anew
#[tokio::test]
async fn what_an_upstream_changes_reaches_those_who_listen() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    let begun = Draft::post("/mcp", &begin).bearing(&token).at(&stage).await;
    let stream = Draft::new(Method::GET, "/mcp").header("accept", "text/event-stream");
    let mut stream =
        open(&stage, stream.header("mcp-session-id", begun.header("mcp-session-id")).bearing(&token)).await;
    until("the gateway listens", || upstream.listening() > 0).await;
    // That there is a new connection is told, too.
    quiet(&mut stream).await;
    let list = || Draft::modern("/mcp", "tools/list", json!({})).bearing(&token).at(&stage);
    list().await;
    let before = upstream.seen_of("tools/list").len();
    list().await;
    assert_eq!(upstream.seen_of("tools/list").len(), before, "it is remembered");
    upstream.announce("notifications/tools/list_changed");
    let told = next(&mut stream).await.unwrap();
    assert_eq!(told, json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {}}));
    list().await;
    assert_eq!(upstream.seen_of("tools/list").len(), before + 1);
}
