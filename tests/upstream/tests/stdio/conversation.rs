//! What passes between us and a child.

use std::time::Duration;

use portcullis_upstream::{Failure, Revision, Settings, Subscription};
use serde_json::json;

use crate::stage::{Listener, Stage, fixture, program, raw, request, text};

#[tokio::test]
async fn a_child_of_either_era_is_greeted_and_called() {
    let stage = Stage::new();
    for (era, revision) in [
        ("stateless", Revision::V2026_07_28),
        ("sessions", Revision::V2025_11_25),
        // It passes the first greeting over in silence, and is given time before it gets the second.
        ("silent", Revision::V2025_11_25),
    ] {
        let endpoint = fixture(era, era);
        assert_eq!(stage.pool.greeting(&endpoint).await.unwrap().revision, revision, "{era}");
        let result = stage.pool.request(&endpoint, request("echo", &json!({"a": "ä"}))).await.unwrap();
        assert!(result.get().contains(r#""x-unknown":{"kept":[1,1.0,null]}"#), "{era}: {result}");
    }
    stage.pool.end_all().await;
}

#[tokio::test]
async fn what_was_remembered_is_tried_first() {
    let stage = Stage::new();
    for (era, remembered) in [("silent", Revision::V2025_11_25), ("stateless", Revision::V2025_11_25)] {
        let mut endpoint = fixture(era, era);
        endpoint.remembered = Some(remembered);
        stage.call(&endpoint, "echo", &json!({})).await.unwrap();
    }
    stage.pool.end_all().await;
}

/// Several calls share the two streams, and each hears its own.
#[tokio::test]
async fn calls_at_once_hear_their_own_progress() {
    let stage = Stage::new();
    for era in ["stateless", "sessions"] {
        let endpoint = fixture(era, era);
        let listeners: Vec<_> = (0..4).map(|_| Listener::answering(json!({}))).collect();
        let mut calls = tokio::task::JoinSet::new();
        for listener in &listeners {
            let (pool, endpoint) = (stage.pool.clone(), endpoint.clone());
            let request = request("test_tool_with_progress", &json!({})).telling(listener.clone());
            calls.spawn(async move { pool.request(&endpoint, request).await.unwrap() });
        }
        calls.join_all().await;
        for listener in listeners {
            let steps: Vec<_> = listener.heard().iter().map(|heard| heard["progress"].clone()).collect();
            assert_eq!(steps, [0, 50, 100], "{era}");
        }
    }
    stage.pool.end_all().await;
}

#[tokio::test]
async fn a_child_asks_who_waits_if_one_alone_does() {
    let stage = Stage::new();
    let mut endpoint = fixture("asking", "sessions");
    endpoint.capabilities = raw(&json!({"elicitation": {}}));
    let listener = Listener::answering(json!({"action": "accept", "content": {}}));
    let asking = || request("test_elicitation", &json!({"message": "m"})).telling(listener.clone());
    let result = stage.send(&endpoint, asking()).await.unwrap();
    assert_eq!(text(&result), "User response: action=accept, content={}");
    // Whom a question is for cannot be told when two wait: nobody is asked what another one is asked.
    let (one, two) = tokio::join!(stage.send(&endpoint, asking()), stage.send(&endpoint, asking()));
    let refused = "elicitation/create is not offered here";
    assert!([one, two].into_iter().any(|result| text(&result.unwrap()) == refused));
    stage.pool.end_all().await;
}

#[tokio::test]
async fn changes_are_heard_in_either_era() {
    let stage = Stage::new();
    for era in ["stateless", "sessions"] {
        let endpoint = fixture(era, era);
        let subscription = Subscription { tools: true, ..Subscription::default() };
        let _listening = stage.pool.listen(&endpoint, &subscription).await.unwrap();
        stage.call(&endpoint, "test_trigger_tool_change", &json!({})).await.unwrap();
        let heard = stage.pool.heard(|_| true).await.remove(0);
        assert_eq!((heard.key.as_str(), heard.tools), (era, true));
    }
    stage.pool.end_all().await;
}

/// HTTP26-21: a child tells of the resources that it was asked to tell of, and the others are known
#[tokio::test]
async fn single_resources_are_told_of_in_either_era() {
    let stage = Stage::new();
    let (watched, other) = ("test://watched-resource", "test://static-text");
    let of = |uri: &str| Subscription { uris: vec![uri.to_owned()], ..Subscription::default() };
    for era in ["stateless", "sessions"] {
        let endpoint = fixture(era, era);
        let mut listening = stage.pool.listen(&endpoint, &of("test://nowhere")).await.unwrap();
        assert!(listening.refused().contains_key("test://nowhere"), "{era}");
        stage.pool.relisten(&endpoint, &mut listening, &of(watched)).await.unwrap();
        assert!(listening.refused().is_empty(), "{era}");
        for uri in [other, watched] {
            stage.call(&endpoint, "test_trigger_resource_change", &json!({"uri": uri})).await.unwrap();
        }
        let heard = stage.pool.heard(|_| true).await.remove(0);
        assert_eq!(heard.updated, [watched.to_owned()].into(), "{era}");
    }
    stage.pool.end_all().await;
}

/// T23: parameters that hold line breaks are still one message
#[tokio::test]
async fn a_message_is_one_line_whatever_it_holds() {
    let stage = Stage::new();
    let endpoint = fixture("lines", "sessions");
    let text = "{\"name\": \"echo\",\r\n \"arguments\": {\"a\":\n[1,\n2]}}".to_owned();
    let params = serde_json::value::RawValue::from_string(text).unwrap();
    let request = portcullis_upstream::Request::new("tools/call").with(params);
    let result = stage.send(&endpoint, request).await.unwrap();
    assert_eq!(result["structuredContent"]["arguments"]["a"], json!([1, 2]));
    stage.pool.end_all().await;
}

/// T23, T24: a line has a length, and what is no message is passed over or fails its own call alone
#[tokio::test]
async fn a_child_that_writes_what_it_should_not_harms_itself_alone() {
    let stage = Stage::with(Settings { response_limit: 64 * 1_024, ..Settings::default() });
    let endpoint = fixture("bad", "sessions");
    let failure = stage.call(&endpoint, "big", &json!({"count": 70_000})).await.unwrap_err();
    assert!(matches!(failure, Failure::TooLarge { .. }), "{failure}");
    let garbage = request("garbage", &json!({})).within(Duration::from_millis(300));
    assert!(matches!(stage.send(&endpoint, garbage).await.unwrap_err(), Failure::Timeout));
    let duplicate = stage.call(&endpoint, "duplicate", &json!({})).await.unwrap_err();
    assert!(matches!(duplicate, Failure::NotMcp { .. }), "{duplicate}");
    let failure = stage.call(&endpoint, "exit", &json!({})).await.unwrap_err();
    assert!(matches!(failure, Failure::Lost), "{failure}");
    let failure = stage.pool.greeting(&program("none", "/nowhere/at/all", &[])).await.unwrap_err();
    assert!(matches!(failure, Failure::Lost), "{failure}");
    let failure = stage.pool.greeting(&program("banner", "/bin/sh", &["-c", "yes"])).await.unwrap_err();
    assert!(matches!(failure, Failure::NotMcp { .. }), "{failure}");
    stage.pool.end_all().await;
}
