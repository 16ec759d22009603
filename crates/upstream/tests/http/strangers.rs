//! Servers that are none, and answers that nobody should believe.

use std::time::Duration;

use portcullis_outbound::{Outbound, Policy};
use portcullis_upstream::{Failure, HttpTarget, Pool, Request, Settings, Transport};
use serde_json::json;

use crate::stage::{Stage, call, endpoint};

async fn verdict(stage: &Stage, path: &str) -> Failure {
    let request = Request::new("tools/list").within(Duration::from_secs(10));
    stage.send(&stage.at(path), request).await.unwrap_err()
}

/// T24: whatever comes, it is an answer in words, soon and in little memory
#[tokio::test]
async fn a_server_that_is_none_is_told_apart() {
    for (how, code) in [
        ("401", "upstream_unauthorized"),
        ("403", "upstream_insufficient_scope"),
        ("404", "upstream_status"),
        ("429", "upstream_overloaded"),
        ("500", "upstream_status"),
        ("503", "upstream_overloaded"),
        ("redirect", "upstream_redirected"),
        ("html", "upstream_not_mcp"),
        ("gzip", "upstream_not_mcp"),
        ("garbage", "upstream_not_mcp"),
        ("duplicate", "upstream_not_mcp"),
        ("other", "upstream_not_mcp"),
        ("big", "upstream_too_large"),
        ("endless", "upstream_too_large"),
        ("line", "upstream_too_large"),
        ("broken", "upstream_lost"),
    ] {
        let stage = Stage::new().await;
        let failure = verdict(&stage, &format!("/bad/{how}")).await;
        assert_eq!(failure.as_str(), code, "{how}: {failure}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_what_it_says() {
    let stage = Stage::new().await;
    let Failure::Unauthorized { challenge } = verdict(&stage, "/bad/401").await else { panic!() };
    assert_eq!(challenge.as_deref(), Some("Bearer realm=\"fixture\""));
    let Failure::InsufficientScope { challenge } = verdict(&stage, "/bad/403").await else { panic!() };
    assert!(challenge.contains("scope=\"files:write\""));
    let Failure::Overloaded { retry_after } = verdict(&stage, "/bad/429").await else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
    let failure = stage.call("/mcp", "no_such_tool", &json!({})).await.unwrap_err();
    let Failure::Rpc(error) = failure else { panic!("{failure}") };
    assert_eq!((error.code, error.message.as_str()), (-32_602, "Unknown tool: no_such_tool"));
}

/// T15: what was sent here is for here
#[tokio::test]
async fn a_redirect_is_not_followed_and_takes_no_credential_along() {
    let stage = Stage::new().await;
    verdict(&stage, "/bad/redirect").await;
    assert!(stage.upstream.seen().iter().all(|seen| seen.path == "/bad/redirect"));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let stage = Stage::new().await;
    let request = Request::new("tools/list").within(Duration::from_millis(200));
    let failure = stage.send(&stage.at("/bad/silent"), request).await.unwrap_err();
    assert!(matches!(failure, Failure::Timeout), "{failure}");
}

/// T24: an answer has a size, and so has all that is said before it
#[tokio::test]
async fn an_answer_and_what_is_said_before_it_are_bounded() {
    let stage = Stage::with(Settings { response_limit: 64 * 1_024, ..Settings::default() }).await;
    for path in ["/mcp", "/sessions", "/json"] {
        let failure = stage.call(path, "big", &json!({"count": 70_000})).await.unwrap_err();
        assert!(matches!(failure, Failure::TooLarge { limit: 65_536 }), "{path}: {failure}");
        let result = stage.call(path, "big", &json!({"count": 60_000})).await.unwrap();
        assert_eq!(crate::stage::text(&result).len(), 60_000, "{path}");
    }
    let failure = stage.call("/sessions", "chatter", &json!({})).await.unwrap_err();
    assert!(matches!(failure, Failure::TooLarge { .. }), "{failure}");
    let failure = stage.call("/sessions", "garbage", &json!({})).await.unwrap_err();
    assert!(matches!(failure, Failure::NotMcp { .. }), "{failure}");
}

/// T13, T14, SBP-6: an address is judged before anything is sent, and a server is reached as its entry says
#[tokio::test]
async fn an_address_that_is_not_called_is_not_called() {
    let stage = Stage::new().await;
    let outbound = Outbound::new(Policy::default()).unwrap();
    let pool = Pool::new(outbound, std::sync::Arc::new(stage.clock.clone()), Settings::default());
    for (url, private_network) in [
        (stage.upstream.url("/mcp").as_str(), true),
        ("https://169.254.169.254/mcp", true),
        ("https://10.0.0.1/mcp", false),
        ("http://mcp.example/mcp", false),
        ("https://[::ffff:7f00:1]/mcp", true),
        ("https://u:p@mcp.example/mcp", false),
        ("http://1.1.1.1/mcp", true),
    ] {
        let mut endpoint = endpoint(url);
        endpoint.transport =
            Transport::Http(HttpTarget { url: url.to_owned(), private_network, legacy_sse: false });
        let failure = pool.request(&endpoint, call("echo", &json!({}))).await.unwrap_err();
        assert!(matches!(failure, Failure::Unreachable { .. }), "{url}: {failure}");
        assert!(!failure.may_have_happened());
        pool.end_all().await;
    }
    assert!(stage.upstream.seen().is_empty());
}
