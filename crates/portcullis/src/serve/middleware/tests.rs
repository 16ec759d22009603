//! Stories about what every answer has, and about requests that no endpoint answers.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use tower::ServiceExt;

use super::*;

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
        .route("/broken", get(broken))
        .route("/oauth/broken", get(broken))
        .route("/never", get(std::future::pending::<&'static str>))
        .route("/body", post(|body: String| async move { body.len().to_string() }))
}

async fn ask(router: Router, request: Request) -> (StatusCode, HeaderMap, String) {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_path(path: &str) -> (StatusCode, HeaderMap, String) {
    ask(around(routes()), Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_request_id_is_always_ours_and_the_same_inside_and_outside() {
    let request = Request::get("/echo-id").header("x-request-id", "forged").body(Body::empty()).unwrap();
    let (status, headers, body) = ask(around(routes()), request).await;
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
    assert_eq!(ask(around(routes()), send(BODY_LIMIT)).await.2, BODY_LIMIT.to_string());
    assert_eq!(ask(around(routes()), send(BODY_LIMIT + 1)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

fn limited(concurrent: usize, patience: Duration) -> Router {
    routes()
        .layer(from_fn_with_state(Limit::new(concurrent, patience), limit::limit))
        .layer(from_fn(edge::edge))
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
