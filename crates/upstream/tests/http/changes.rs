//! What servers say outside of requests.

use std::collections::BTreeSet;

use portcullis_oauth::Seconds;
use portcullis_upstream::{Heard, Subscription};
use serde_json::{Value, json};

use crate::stage::{Stage, older, until};

const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";

#[tokio::test]
async fn changes_are_heard_while_a_stream_is_open() {
    let subscription = Subscription { tools: true, ..Subscription::default() };
    for path in ["/mcp", "/sessions"] {
        let stage = Stage::new().await;
        let listening = stage.pool.listen(&stage.at(path), &subscription).await.unwrap();
        until("it listens", || stage.upstream.listening() == 1).await;
        stage.call(path, "test_trigger_tool_change", &json!({})).await.unwrap();
        assert_eq!(next(&stage).await, Heard { tools: true, ..nothing("alice:1") });
        drop(listening);
        until("it listens no more", || stage.upstream.listening() == 0).await;
    }
}

/// T24: whatever else a server says by itself takes no place from what others say
#[tokio::test]
async fn what_is_no_change_is_told_to_nobody() {
    for path in ["/sessions", "/sse"] {
        let stage = Stage::new().await;
        let _listening = stage.pool.listen(&older(stage.at(path)), &of(&[])).await.unwrap();
        until("it listens", || stage.upstream.listening() == 1).await;
        for noise in [
            "notifications/message",
            "notifications/progress",
            "notifications/resources/updated",
            "notifications/subscriptions/acknowledged",
            "notifications/x/list_changed",
            "x/list_changed",
        ] {
            stage.upstream.announce(noise);
        }
        stage.upstream.announce(PROMPTS);
        assert_eq!(next(&stage).await, Heard { prompts: true, ..nothing("alice:1") }, "{path}");
    }
}

/// T24: however often a server says that something changed, it is one piece, and nothing that others say is lost for it
#[tokio::test]
async fn the_noise_of_one_server_is_one_piece() {
    for path in ["/sessions", "/sse"] {
        let (noisy, quiet) = (Stage::new().await, Stage::new().await);
        let (alices, mut bobs) = (older(noisy.at(path)), older(quiet.at(path)));
        bobs.key = "bob:1".to_owned();
        let _alices = noisy.pool.listen(&alices, &of(&[WATCHED, OTHER])).await.unwrap();
        let _bobs = noisy.pool.listen(&bobs, &of(&[WATCHED])).await.unwrap();
        until("both listen", || noisy.upstream.listening() == 1 && quiet.upstream.listening() == 1).await;
        quiet.upstream.change(WATCHED);
        noisy.upstream.flood(&vec![json!({"method": TOOLS}); 3_000]);
        noisy.upstream.flood(&parts(1_000));
        noisy.upstream.announce(PROMPTS);
        for upstream in [&noisy.upstream, &quiet.upstream] {
            // It is answered once all that was said before is read.
            upstream.ask("is/anybody/there");
            until("it is read", || !upstream.seen_of("POST").is_empty()).await;
        }
        let of_alices = Heard { tools: true, prompts: true, ..nothing("alice:1") };
        // It names more than can be kept, so that all that it was asked to tell of may have changed.
        let of_alices = Heard { updated: names(&[WATCHED, OTHER]), ..of_alices };
        let of_bobs = Heard { updated: names(&[WATCHED]), ..nothing("bob:1") };
        assert_eq!(noisy.pool.heard(|_| true).await, [of_alices, of_bobs], "{path}");
    }
}

/// Changes of so many parts of a resource.
fn parts(count: usize) -> Vec<Value> {
    let uri = |at| format!("{WATCHED}/{at}");
    (0..count)
        .map(|at| json!({"method": "notifications/resources/updated", "params": {"uri": uri(at)}}))
        .collect()
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

/// What is heard next.
async fn next(stage: &Stage) -> Heard {
    stage.pool.heard(|_| true).await.remove(0)
}

fn nothing(key: &str) -> Heard {
    Heard { key: key.to_owned(), tools: false, prompts: false, resources: false, updated: names(&[]) }
}

fn names(uris: &[&str]) -> BTreeSet<String> {
    uris.iter().map(|uri| (*uri).to_owned()).collect()
}

/// The resources that are told of next.
async fn updated(stage: &Stage) -> BTreeSet<String> {
    next(stage).await.updated
}

/// HTTP26-21: in every era a server tells of what it was asked to tell of, and what it does not tell of is known
#[tokio::test]
async fn single_resources_are_told_of_in_every_era() {
    for path in ["/stateless", "/sessions", "/json", "/sse"] {
        let stage = Stage::new().await;
        let endpoint = older(stage.at(path));
        let asked = of(&[WATCHED, "test://nowhere"]);
        let mut listening = stage.pool.listen(&endpoint, &asked).await.unwrap();
        let refused: Vec<_> = listening.refused().keys().collect();
        assert_eq!(refused, ["test://nowhere"], "{path}");
        stage.upstream.change(OTHER);
        stage.upstream.change(WATCHED);
        assert_eq!(updated(&stage).await, names(&[WATCHED]), "{path}");
        stage.pool.relisten(&endpoint, &mut listening, &of(&[OTHER])).await.unwrap();
        assert!(listening.refused().is_empty(), "{path}");
        until("the stream of before ends", || stage.upstream.listening() == 1).await;
        stage.upstream.change(WATCHED);
        stage.upstream.change(OTHER);
        assert_eq!(updated(&stage).await, names(&[OTHER]), "{path}");
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
    let endpoint = stage.at("/json");
    for _ in 0..20 {
        drop(stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap());
    }
    let _listening = stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap();
    stage.upstream.change(WATCHED);
    assert_eq!(updated(&stage).await, names(&[WATCHED]));
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
    let endpoint = stage.at("/sessions");
    let listening = stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap();
    stage.upstream.forget_sessions();
    drop(listening);
    let mut listening = stage.pool.listen(&endpoint, &of(&[WATCHED])).await.unwrap();
    assert_eq!(stage.upstream.seen_of("initialize").len(), 2);
    stage.upstream.change(WATCHED);
    assert_eq!(updated(&stage).await, names(&[WATCHED]));
    stage.upstream.forget_sessions();
    let failed = stage.pool.relisten(&endpoint, &mut listening, &of(&[OTHER])).await;
    assert!(failed.is_err(), "it has to be opened anew");
}
