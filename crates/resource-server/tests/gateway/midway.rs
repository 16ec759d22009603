//! What takes effect although somebody is in the middle of something: of a round, of a stream that nobody reads, of an attempt.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::Method;
use portcullis_database::testing::sqlite;
use portcullis_database::{Change, ChangeKind, both_engines};
use portcullis_oauth::{Clock, PrincipalId, PrincipalKind};
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::{ConnectionStatus, Rates, Standing, Who};
use portcullis_upstream_fixture::Upstream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::draft::Draft;
use crate::patience::{until, until_it_is};
use crate::rounds::{SEVERAL, round, set};
use crate::rungs::next;
use crate::sampling::{Asked, able, folders, roots, said, sampling};
use crate::stage::{ALL, Stage};
use crate::subscriptions::{Client, listen};

/// Reads a call to its end, which is soon: the reason why there is no result, and how many more questions came.
async fn end_of(stage: &Stage, stream: &mut BodyDataStream) -> (String, usize) {
    let mut questions = 0;
    let reading = async {
        while next(stream).await.get("result").is_none() {
            questions += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.expect("the call ends");
    (stage.reasons().await.pop().unwrap_or_default(), questions)
}

both_engines! {
    /// T20: while a question of a round is open its server loses the right to ask, or its connection is switched off: nothing
    /// more is asked, and what was answered reaches nobody
    async fn what_is_taken_away_between_two_rounds_is_gone(database: TestDatabase) {
        let (stage, upstream) = (Stage::set(database).await, Upstream::start().await);
        let demo = stage.connect("demo", &upstream.url("/stateless")).await;
        stage.let_ask("demo", &["sampling", "roots"]).await;
        let client = Asked::able(&stage, able()).await;
        let asks = json!({"requests": {"a": sampling("?"), "b": roots()}});

        let mut stream = client.call("demo", &asks).await;
        assert_eq!(next(&mut stream).await["method"], "sampling/createMessage");
        let calls = upstream.seen_of("tools/call").len();
        stage.let_ask("demo", &[]).await;
        assert_eq!(end_of(&stage, &mut stream).await, ("upstream_ended".to_owned(), 0));

        stage.let_ask("demo", &["sampling", "roots"]).await;
        let mut stream = client.call("demo", &asks).await;
        let question = next(&mut stream).await;
        assert!(stage.gateway.connections().disable(&demo, Who::Owner).await.unwrap());
        client.answer_late(&question, ("result", said("No."))).await;
        assert_eq!(end_of(&stage, &mut stream).await, ("upstream_ended".to_owned(), 0));
        assert_eq!(upstream.seen_of("tools/call").len(), calls + 1, "a second round went out");
        assert_eq!(stage.now(&demo).await.status, ConnectionStatus::Disabled);
    }

    /// T20: a client that carries a round itself brings answers to what may not be asked any more
    async fn an_answer_to_what_may_not_be_asked_any_more_goes_nowhere(database: TestDatabase) {
        let (stage, upstream, token) = set(database).await;
        let first = round(&token, (SEVERAL, json!({})), None).at(&stage).await;
        stage.let_ask("demo", &["sampling"]).await;
        let calls = upstream.seen_of("tools/call").len();
        let answers = json!({"greeting": said("Hello"), "client_roots": folders()});
        let refused = round(&token, (SEVERAL, json!({})), Some((&first, answers))).at(&stage).await;
        assert!(refused.tool().1 && refused.tool().0.contains("no admin lets it ask for"), "{}", refused.body);
        assert_eq!(stage.reasons().await.last().unwrap(), "roots_refused");
        assert_eq!(upstream.seen_of("tools/call").len(), calls);
        let rest = json!({"greeting": said("Hello")});
        let again = round(&token, (SEVERAL, json!({})), Some((&first, rest))).at(&stage).await;
        assert_eq!(again.body["result"]["isError"], Value::Null, "{}", again.body);
        assert_eq!(upstream.seen_of("tools/call").len(), calls + 1);
    }

    /// T46: what was asked of an upstream leaves its event, also where the client that wanted it has gone
    async fn an_attempt_to_watch_is_noted_though_nobody_waits(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", silent.local_addr().unwrap());
        let demo = stage.add("demo", &url, (NewTools::Allow, None)).await;
        stage.gateway.connections().set_status(&demo, &Standing::active()).await.unwrap();
        let filter = json!({"resourceSubscriptions": ["demo+test://x"]});
        let stream = stage.send(listen(&stage.token(ALL), &filter).request()).await;
        let reached = silent.accept().await.unwrap();
        drop(stream);
        drop((reached, silent));
        until_it_is("it is noted", async || !stage.outcomes("resources.subscribe").await.is_empty()).await;
        assert_eq!(stage.outcomes("resources.subscribe").await, ["failed"]);
    }
}

/// T20, T24: a client that reads nothing loses its stream with its rights all the same, and with it what was open for it
#[tokio::test]
async fn a_stream_that_nobody_reads_ends_with_its_authorization() {
    let (stage, upstream) = (Stage::set(sqlite().await).await, Upstream::start().await);
    stage.connect("demo", &upstream.url("/sessions")).await;
    let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
    let _stream = client.stream(&stage).await;
    until("somebody listens", || upstream.listening() == 1).await;
    // Each is a sign of life to send: more than wait for a client.
    for _ in 0..100 {
        let somebody = PrincipalId::generate(PrincipalKind::User);
        stage.changes.publish(&Change::new(ChangeKind::User, somebody.as_str()));
        tokio::task::yield_now().await;
    }
    stage.revoke(&client.token, |token| token.expires_at = stage.clock.now());
    until("nobody listens", || upstream.listening() == 0).await;
}

/// T24: a user has so many streams open and no more, and gets their places back
#[tokio::test]
async fn a_user_has_so_many_streams() {
    let stage = Stage::with_rates(sqlite().await, Rates { lists: 1_000, ..Rates::default() }).await;
    let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
    let mut streams = vec![];
    for _ in 0..256 {
        streams.push(client.stream(&stage).await);
    }
    let full = client.bodyless(Method::GET).at(&stage).await;
    assert_eq!((full.status.as_u16(), stage.reasons().await.pop()), (429, Some("streams_full".to_owned())));
    let full = listen(&client.token, &json!({"toolsListChanged": true})).at(&stage).await;
    assert_eq!(full.status, 429, "{}", full.body);
    streams.clear();
    let opens = async || stage.send(client.bodyless(Method::GET).request()).await.status() == 200;
    until_it_is("their places are free again", opens).await;
}

/// T24: who opens streams or ends sessions is counted as who asks for lists
#[tokio::test]
async fn requests_without_a_body_are_counted() {
    let stage = Stage::with_rates(sqlite().await, Rates { lists: 5, ..Rates::default() }).await;
    let client = Client::greeted(&stage, stage.token(ALL), "/mcp").await;
    let unknown = |method| Draft::new(method, "/mcp").header("accept", "text/event-stream");
    let unknown = |method| unknown(method).header("mcp-session-id", "unknown").bearing(&client.token);
    let mut told = vec![];
    for _ in 0..5 {
        told.push(unknown(Method::DELETE).at(&stage).await.status.as_u16());
    }
    assert_eq!(told.last(), Some(&429), "{told:?}");
    assert_eq!(unknown(Method::GET).at(&stage).await.status, 429);
}
