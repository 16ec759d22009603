//! The outermost layer: each request has an id of ours, a span under that id, and an answer that carries it.

use axum::extract::Request;
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use portcullis_oauth::random_handle;
use tracing::Instrument;

use super::fault::Fault;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names the request, whatever a stranger called it, and answers in words where an inner layer only knew the fault.
pub(super) async fn edge(mut request: Request, next: Next) -> Response {
    let id = random_handle("req_");
    // A handle is base64url, so it always fits a header.
    let header = HeaderValue::from_str(&id).ok();
    if let Some(header) = &header {
        request.headers_mut().insert(REQUEST_ID, header.clone());
    }
    let path = request.uri().path().to_owned();
    // Never the query, headers or body: codes, tokens and passwords travel there.
    let span = tracing::info_span!("request", id, method = %request.method(), path);
    let mut response = async {
        let response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await;
    if let Some(fault) = response.extensions().get::<Fault>().copied() {
        response = fault.answer(&path, &id);
    }
    let headers = response.headers_mut();
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    if let Some(header) = header {
        headers.insert(REQUEST_ID, header);
    }
    response
}
