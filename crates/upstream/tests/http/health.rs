//! Places, and the breaker.

use std::time::Duration;

use portcullis_oauth::Seconds;
use portcullis_upstream::{Failure, Request, Settings};
use serde_json::json;

use crate::stage::{Stage, call, until};

/// T24
#[tokio::test]
async fn a_server_that_fails_again_and_again_is_left_alone_for_a_while() {
    let stage = Stage::new().await;
    let ask =
        async || stage.send(&stage.at("/bad/html"), Request::new("tools/list")).await.unwrap_err().as_str();
    for _ in 0..5 {
        assert_eq!(ask().await, "upstream_not_mcp");
    }
    let seen = stage.upstream.seen().len();
    assert_eq!(ask().await, "upstream_breaker_open");
    assert_eq!(stage.upstream.seen().len(), seen, "nobody is asked");
    stage.clock.advance(Seconds(31));
    assert_eq!(ask().await, "upstream_not_mcp", "one tries");
    assert_eq!(ask().await, "upstream_breaker_open");
    stage.clock.advance(Seconds(31));
    stage.call("/mcp", "echo", &json!({})).await.unwrap();
    stage.call("/mcp", "echo", &json!({})).await.unwrap();
}

#[tokio::test]
async fn who_refuses_is_not_ill() {
    let stage = Stage::new().await;
    for _ in 0..9 {
        let failure = stage.send(&stage.at("/bad/401"), Request::new("tools/list")).await.unwrap_err();
        assert_eq!(failure.as_str(), "upstream_unauthorized");
        let failure = stage.call("/mcp", "no_such_tool", &json!({})).await.unwrap_err();
        assert_eq!(failure.as_str(), "upstream_error");
    }
}

#[tokio::test]
async fn one_connection_has_so_many_places_and_no_more_wait() {
    let stage = Stage::with(Settings { at_once: 2, waiting: 1, ..Settings::default() }).await;
    stage.pool.greeting(&stage.at("/mcp")).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (pool, endpoint) = (stage.pool.clone(), stage.at("/mcp"));
        let request = call("hang", &json!({})).within(Duration::from_secs(2));
        waiting.spawn(async move { pool.request(&endpoint, request).await });
    }
    until("two are under way", || stage.upstream.seen_of("tools/call").len() == 2).await;
    let failure = stage.call("/mcp", "echo", &json!({})).await.unwrap_err();
    assert!(matches!(failure, Failure::Busy), "{failure}");
    let mut bob = stage.at("/mcp");
    bob.key = "bob:1".to_owned();
    stage.send(&bob, call("echo", &json!({}))).await.unwrap();
    stage.pool.end_all().await;
    for outcome in waiting.join_all().await {
        assert!(matches!(outcome, Err(Failure::Ended)));
    }
}
