//! Sessions: kept, lost, found again, and ended; streams that are taken up again.

use portcullis_oauth::Seconds;
use portcullis_upstream::Failure;
use serde_json::json;

use crate::stage::{Stage, raw, text, until};

/// HTTP25-9: a server that forgot the session did nothing, so the request is sent once more over a new one
#[tokio::test]
async fn a_forgotten_session_is_opened_anew_once() {
    let stage = Stage::new().await;
    stage.call("/sessions", "echo", &json!({})).await.unwrap();
    stage.upstream.forget_sessions();
    stage.call("/sessions", "echo", &json!({})).await.unwrap();
    assert_eq!(stage.upstream.seen_of("initialize").len(), 2);
    let calls = stage.upstream.seen_of("tools/call");
    let sessions: Vec<_> = calls.iter().map(|call| call.headers["mcp-session-id"].clone()).collect();
    assert_eq!(sessions.len(), 3, "one each, and the one that found no session");
    assert_eq!(sessions[0], sessions[1]);
    assert_ne!(sessions[1], sessions[2]);
}

#[tokio::test]
async fn requests_share_a_session_and_connections_do_not() {
    let stage = Stage::new().await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (pool, endpoint) = (stage.pool.clone(), stage.at("/sessions"));
        let request = crate::stage::call("echo", &json!({ "n": n }));
        calls.spawn(async move {
            let result = pool.request(&endpoint, request).await.unwrap();
            assert!(result.get().contains(&format!(r#""arguments":{{"n":{n}}}"#)), "{result}");
        });
    }
    calls.join_all().await;
    assert_eq!(stage.upstream.seen_of("initialize").len(), 1);
    let mut bob = stage.at("/sessions");
    bob.key = "bob:1".to_owned();
    stage.pool.greeting(&bob).await.unwrap();
    assert_eq!(stage.upstream.seen_of("initialize").len(), 2);
    bob.capabilities = raw(&json!({"roots": {}}));
    stage.pool.greeting(&bob).await.unwrap();
    assert_eq!(stage.upstream.seen_of("initialize").len(), 3, "who declares something else is somebody else");
}

/// HTTP25-13: a stream that the server closes in the middle goes on after the last event
#[tokio::test]
async fn a_stream_is_taken_up_again_where_it_broke_off() {
    let stage = Stage::new().await;
    let result = stage.call("/sessions", "test_reconnection", &json!({})).await.unwrap();
    assert_eq!(text(&result), "Reconnected.");
    let resumed = stage.upstream.seen_of("GET").remove(0);
    assert!(resumed.headers.contains_key("last-event-id"));
    assert_eq!(stage.upstream.seen_of("tools/call").len(), 1, "the call is not made again");
}

#[tokio::test]
async fn a_stream_that_never_gets_on_is_given_up() {
    let stage = Stage::new().await;
    for path in ["/sessions", "/mcp"] {
        let failure = stage.call(path, "die", &json!({})).await.unwrap_err();
        assert!(matches!(failure, Failure::Lost), "{path}: {failure}");
        assert!(failure.may_have_happened());
    }
}

#[tokio::test]
async fn ending_a_connection_ends_its_session_and_what_is_under_way() {
    let stage = Stage::new().await;
    stage.call("/sessions", "echo", &json!({})).await.unwrap();
    let (pool, endpoint) = (stage.pool.clone(), stage.at("/sessions"));
    let request = crate::stage::call("hang", &json!({}));
    let waiting = tokio::spawn(async move { pool.request(&endpoint, request).await });
    until("it is under way", || stage.upstream.seen_of("tools/call").len() == 2).await;
    stage.pool.end("alice:").await;
    assert!(matches!(waiting.await.unwrap().unwrap_err(), Failure::Ended));
    assert_eq!(stage.upstream.seen_of("DELETE").len(), 1);
    stage.pool.end("bob:").await;
    stage.call("/sessions", "echo", &json!({})).await.unwrap();
    assert_eq!(stage.upstream.seen_of("initialize").len(), 2);
}

#[tokio::test]
async fn a_session_that_rests_is_ended_and_one_in_use_is_not() {
    let stage = Stage::new().await;
    stage.call("/sessions", "echo", &json!({})).await.unwrap();
    stage.clock.advance(Seconds(200));
    stage.pool.sweep().await;
    assert_eq!(stage.upstream.seen_of("DELETE").len(), 0);
    stage.clock.advance(Seconds(101));
    stage.pool.sweep().await;
    assert_eq!(stage.upstream.seen_of("DELETE").len(), 1);
    stage.pool.end_all().await;
    assert_eq!(stage.upstream.seen_of("DELETE").len(), 1, "nothing is ended twice");
}
