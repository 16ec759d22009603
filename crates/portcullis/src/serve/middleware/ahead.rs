//! Small bodies are read before anything is decided: a refusal then leaves a connection that can be used again, and a
//! body that drips in holds no place.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::BODY_LIMIT;

/// What is read ahead of a body that says how long it is. Real messages are far smaller.
const AHEAD: usize = 64 * 1024;
/// A body that is read ahead has arrived within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a body ahead. One that says it is long goes on as it comes; when it is refused unread, the connection is closed,
/// and the answer says so (RFC 9112 §9.3, §9.6).
pub(super) async fn read_ahead(request: Request, next: Next) -> Response {
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > AHEAD) {
        let mut response = next.run(request).await;
        if response.status().is_client_error() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        return response;
    }
    let (parts, body) = request.into_parts();
    let most = if declared.is_some() { AHEAD } else { BODY_LIMIT };
    match timeout(PATIENCE, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_)) => refused(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT),
    }
}

fn refused(status: StatusCode) -> Response {
    (status, [(CONNECTION, HeaderValue::from_static("close"))]).into_response()
}
