//! Stories about what every answer has, and about requests that no endpoint answers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use portcullis_oauth::PublicUrl;
use portcullis_web::Peer;
use tower::ServiceExt;

use super::*;
use crate::config::Network;

#[expect(clippy::panic, reason = "this is what the story is about")]
async fn broken() -> &'static str {
    panic!("secret detail")
}

fn routes() -> Router {
    Router::new()
        .route(
            "/echo-id",
            get(|headers: HeaderMap| async move {
                headers["x-request-id"].to_str().unwrap_or_default().to_owned()
            }),
        )
        .route("/peer", get(|peer: Peer| async move { peer.to_string() }))
        .route("/headers", get(|headers: HeaderMap| async move { format!("{headers:?}") }))
        .route("/broken", get(broken))
        .route("/oauth/broken", get(broken))
        .route("/never", get(std::future::pending::<&'static str>))
        .route("/body", post(|body: String| async move { body.len().to_string() }))
}

/// An edge that trusts the proxies in 10.0.0.0/8.
fn edge(public_url: &str) -> Edge {
    Edge::new(&[Network::parse("10.0.0.0/8").unwrap()], &PublicUrl::parse(public_url).unwrap())
}

async fn ask(router: Router, request: Request) -> (StatusCode, HeaderMap, String) {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_path(path: &str) -> (StatusCode, HeaderMap, String) {
    ask(around(routes(), edge("http://localhost:1")), Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_request_id_is_always_ours_and_the_same_inside_and_outside() {
    let request = Request::get("/echo-id").header("x-request-id", "forged").body(Body::empty()).unwrap();
    let (status, headers, body) = ask(around(routes(), edge("http://localhost:1")), request).await;
    assert_eq!(status, 200);
    assert_eq!(headers["x-request-id"], body);
    assert!(body.starts_with("req_"), "{body}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

/// ASVS-16.5.1
#[tokio::test]
async fn a_panic_is_an_answer_that_tells_nothing_but_a_trace_id() {
    for path in ["/broken", "/oauth/broken"] {
        let (status, headers, body) = get_path(path).await;
        assert_eq!(status, 500);
        assert!(body.contains(headers["x-request-id"].to_str().unwrap()), "{body}");
        assert!(!body.contains("secret detail"), "{body}");
    }
    assert!(get_path("/oauth/broken").await.2.contains("server_error"));
}

#[tokio::test]
async fn programs_are_told_in_json_and_people_on_a_page_that_nothing_is_there() {
    for (path, media_type) in [
        ("/oauth/nothing", "application/json"),
        ("/.well-known/nothing", "application/json"),
        ("/oauthority", "text/html; charset=utf-8"),
        ("/nothing?code=secret", "text/html; charset=utf-8"),
    ] {
        let (status, headers, body) = get_path(path).await;
        assert_eq!(
            (status, headers["content-type"].to_str().unwrap()),
            (StatusCode::NOT_FOUND, media_type),
            "{path}"
        );
        assert!(!body.contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused() {
    let send = |length: usize| Request::post("/body").body(Body::from("x".repeat(length))).unwrap();
    assert_eq!(
        ask(around(routes(), edge("http://localhost:1")), send(BODY_LIMIT)).await.2,
        BODY_LIMIT.to_string()
    );
    assert_eq!(
        ask(around(routes(), edge("http://localhost:1")), send(BODY_LIMIT + 1)).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

fn limited(concurrent: usize, patience: Duration) -> Router {
    routes()
        .layer(from_fn_with_state(Limit::new(concurrent, patience), limit::limit))
        .layer(from_fn_with_state(edge("http://localhost:1"), edge::edge))
}

#[tokio::test]
async fn overload_says_when_to_come_again_and_never_hangs() {
    let router = limited(1, Duration::from_hours(1));
    let first = tokio::spawn(router.clone().oneshot(Request::get("/never").body(Body::empty()).unwrap()));
    tokio::task::yield_now().await;
    let (status, headers, _) = ask(router, Request::get("/echo-id").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["retry-after"], "2");
    first.abort();
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered() {
    let request = Request::get("/never").body(Body::empty()).unwrap();
    let (status, headers, body) = ask(limited(1, Duration::from_millis(1)), request).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key("retry-after") && body.contains("could not answer in time"), "{body}");
}

/// ASVS-3.4.1
#[tokio::test]
async fn on_https_every_answer_says_so_for_a_year_and_on_plain_http_none_does() {
    for path in ["/echo-id", "/nothing", "/oauth/nothing", "/broken"] {
        let request = || Request::get(path).body(Body::empty()).unwrap();
        let (_, headers, _) = ask(around(routes(), edge("https://mcp.example")), request()).await;
        assert_eq!(headers["strict-transport-security"], "max-age=31536000; includeSubDomains", "{path}");
        let (_, headers, _) = ask(around(routes(), edge("http://localhost:1")), request()).await;
        assert!(!headers.contains_key("strict-transport-security"), "{path}");
    }
}

/// Who a request counts as that comes from `connection` with these values of `X-Forwarded-For`.
async fn peer(connection: &str, forwarded_for: &[&str]) -> String {
    let address = SocketAddr::new(connection.parse().unwrap(), 4_711);
    let request = Request::get("/peer").extension(ConnectInfo(address));
    let request =
        forwarded_for.iter().fold(request, |request, value| request.header("x-forwarded-for", *value));
    ask(around(routes(), edge("https://h")), request.body(Body::empty()).unwrap()).await.2
}

/// A52, R9700-4.13-1
#[tokio::test]
async fn the_client_is_the_right_most_hop_that_is_no_proxy_of_ours() {
    for (connection, forwarded_for, expected) in [
        ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", &["198.51.100.1:5678"], "198.51.100.1"),
        ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["[2001:db8:1:2::9]:443"], "2001:db8:1:2::"),
    ] {
        assert_eq!(peer(connection, forwarded_for).await, expected, "{connection} {forwarded_for:?}");
    }
}

/// R9700-4.13-1
#[tokio::test]
async fn no_endpoint_sees_what_a_header_claims_about_the_connection() {
    for (name, value) in [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=198.51.100.1;host=evil.example;proto=https"),
        ("x-real-ip", "198.51.100.1"),
        ("client-cert", ":AA==:"),
    ] {
        let address = SocketAddr::from(([10, 0, 0, 1], 4_711));
        let request = Request::get("/headers").header(name, value).extension(ConnectInfo(address));
        let seen = ask(around(routes(), edge("https://h")), request.body(Body::empty()).unwrap()).await.2;
        assert!(!seen.contains(name) && !seen.contains("evil"), "{name}: {seen}");
    }
}
