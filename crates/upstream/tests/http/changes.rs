//! What servers say outside of requests.

use portcullis_oauth::Seconds;
use portcullis_upstream::Subscription;
use serde_json::json;

use crate::stage::{Stage, until};

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
