//! What servers say outside of requests.

use portcullis_oauth::Seconds;
use portcullis_upstream::{Heard, Subscription};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;

use crate::stage::{Stage, older, until};

const TOOLS: &str = "notifications/tools/list_changed";

#[tokio::test]
async fn changes_are_heard_while_a_stream_is_open() {
    let subscription = Subscription { tools: true, ..Subscription::default() };
    for path in ["/mcp", "/sessions"] {
        let stage = Stage::new().await;
        let mut heard = stage.pool.heard();
        let listening = stage.pool.listen(&stage.at(path), &subscription).await.unwrap();
        until("it listens", || stage.upstream.listening() == 1).await;
        stage.call(path, "test_trigger_tool_change", &json!({})).await.unwrap();
        loop {
            let heard = heard.recv().await.unwrap();
            assert_eq!(heard.key, "alice:1");
            if heard.notification.method == TOOLS {
                break;
            }
        }
        drop(listening);
        until("it listens no more", || stage.upstream.listening() == 0).await;
    }
}

/// T24: whatever else a server says by itself takes no place from what others say
#[tokio::test]
async fn what_is_no_change_is_told_to_nobody() {
    for path in ["/sessions", "/sse"] {
        let stage = Stage::new().await;
        let (endpoint, mut heard) = (older(stage.at(path)), stage.pool.heard());
        let _listening = stage.pool.listen(&endpoint, &of(&[])).await.unwrap();
        until("it listens", || stage.upstream.listening() == 1).await;
        for noise in ["notifications/message", "notifications/progress", "notifications/nonsense"] {
            stage.upstream.announce(noise);
        }
        stage.upstream.announce(TOOLS);
        assert_eq!(heard.recv().await.unwrap().notification.method, TOOLS, "{path}");
    }
}

/// HTTP26-21: the server is asked for what is wanted, and for nothing else
#[tokio::test]
async fn only_what_is_wanted_is_asked_for() {
    let stage = Stage::new().await;
    let subscription = Subscription {
        prompts: true,
        uris: vec!["test://watched-resource".to_owned()],
        ..Subscription::default()
    };
    let _listening = stage.pool.listen(&stage.at("/mcp"), &subscription).await.unwrap();
    let asked = &stage.upstream.seen_of("subscriptions/listen")[0].body["params"]["notifications"];
    let expected = json!({"promptsListChanged": true, "resourceSubscriptions": ["test://watched-resource"]});
    assert_eq!(*asked, expected);
}

#[tokio::test]
async fn a_stream_ends_with_its_connection_and_who_listens_does_not_rest() {
    let stage = Stage::new().await;
    let mut listening = stage.pool.listen(&stage.at("/sessions"), &Subscription::default()).await.unwrap();
    stage.clock.advance(Seconds(1_000));
    stage.pool.sweep().await;
    assert_eq!(stage.upstream.seen_of("DELETE").len(), 0, "it is in use");
    stage.pool.end_all().await;
    listening.ended().await;
    assert_eq!(stage.upstream.seen_of("DELETE").len(), 1);
}

const WATCHED: &str = "test://watched-resource";
const OTHER: &str = "test://static-text";

fn of(uris: &[&str]) -> Subscription {
    let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
    Subscription { tools: true, uris, ..Subscription::default() }
}

/// The resource that is told of next.
async fn updated(heard: &mut Receiver<Heard>) -> String {
    loop {
        let said = heard.recv().await.unwrap().notification;
        if said.method == "notifications/resources/updated" {
            let params: Value = serde_json::from_str(said.params.unwrap().get()).unwrap();
            return params["uri"].as_str().unwrap().to_owned();
        }
    }
}

/// HTTP26-21: in every era a server tells of what it was asked to tell of, and what it does not tell of is known
#[tokio::test]
async fn single_resources_are_told_of_in_every_era() {
    for path in ["/stateless", "/sessions", "/json", "/sse"] {
        let stage = Stage::new().await;
        let endpoint = older(stage.at(path));
        let mut heard = stage.pool.heard();
        let asked = of(&[WATCHED, "test://nowhere"]);
        let mut listening = stage.pool.listen(&endpoint, &asked).await.unwrap();
        let refused: Vec<_> = listening.refused().keys().collect();
        assert_eq!(refused, ["test://nowhere"], "{path}");
        stage.upstream.change(OTHER);
        stage.upstream.change(WATCHED);
        assert_eq!(updated(&mut heard).await, WATCHED, "{path}");
        stage.pool.relisten(&endpoint, &mut listening, &of(&[OTHER])).await.unwrap();
        assert!(listening.refused().is_empty(), "{path}");
        until("the stream of before ends", || stage.upstream.listening() == 1).await;
        stage.upstream.change(WATCHED);
        stage.upstream.change(OTHER);
        assert_eq!(updated(&mut heard).await, OTHER, "{path}");
    }
}

/// A stream of a session goes on while what it tells of changes: some servers allow no second one
#[tokio::test]
async fn a_session_keeps_its_one_stream() {
    let stage = Stage::new().await;
    let endpoint = stage.at("/sessions");
    let mut listening = stage.pool.listen(&endpoint, &of(&[])).await.unwrap();
    for uris in [&[WATCHED][..], &[WATCHED, OTHER], &[OTHER], &[OTHER]] {
        stage.pool.relisten(&endpoint, &mut listening, &of(uris)).await.unwrap();
    }
    assert_eq!(stage.upstream.seen_of("GET").len(), 1);
    assert_eq!(stage.upstream.seen_of("resources/subscribe").len(), 2, "once for each");
    assert_eq!(stage.upstream.seen_of("resources/unsubscribe").len(), 1);
}

/// A server that allows one stream may notice late that the last one is closed
#[tokio::test]
async fn one_stream_follows_another() {
    let stage = Stage::new().await;
    let (endpoint, mut heard) = (stage.at("/json"), stage.pool.heard());
    for _ in 0..20 {
        drop(stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap());
    }
    let _listening = stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap();
    stage.upstream.change(WATCHED);
    assert_eq!(updated(&mut heard).await, WATCHED);
}

/// HTTP25-7: a server that has no stream keeps its session, whichever status it says so with
#[tokio::test]
async fn a_server_without_a_stream_keeps_its_session() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        let mut listening = stage.pool.listen(&stage.at("/mute"), &of(&[WATCHED])).await.unwrap();
        listening.ended().await;
    }
    assert_eq!(stage.upstream.seen_of("initialize").len(), 1);
    assert_eq!(stage.upstream.seen_of("resources/subscribe").len(), 1);
}

/// HTTP25-9: a server that forgot the session is asked anew, in another one
#[tokio::test]
async fn a_stream_opens_anew_in_a_new_session() {
    let stage = Stage::new().await;
    let (endpoint, mut heard) = (stage.at("/sessions"), stage.pool.heard());
    let listening = stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap();
    stage.upstream.forget_sessions();
    drop(listening);
    let mut listening = stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap();
    assert_eq!(stage.upstream.seen_of("initialize").len(), 2);
    stage.upstream.change(WATCHED);
    assert_eq!(updated(&mut heard).await, WATCHED);
    stage.upstream.forget_sessions();
    let failed = stage.pool.relisten(&endpoint, &mut listening, &of(&[OTHER])).await;
    assert!(failed.is_err(), "it has to be opened anew");
}
