//! The outermost layer: each request has an id of ours, a span under that id, a peer that no stranger can choose, and an
//! answer that carries the id.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{STRICT_TRANSPORT_SECURITY, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use portcullis_audit::trace;
use portcullis_oauth::{PublicUrl, ordered_handle};
use tracing::Instrument;

use super::fault::Fault;
use super::forwarded;
use crate::config::Network;
use crate::serve::metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A year: browsers keep to https here and below (ASVS-3.4.1).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// What the outermost layer knows of the configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Edge {
    trusted_proxies: Arc<[Network]>,
    is_https: bool,
}

impl Edge {
    /// Believes these proxies, and is published under this URL.
    #[must_use]
    pub fn new(trusted_proxies: &[Network], public_url: &PublicUrl) -> Self {
        Self { trusted_proxies: trusted_proxies.into(), is_https: public_url.is_https() }
    }
}

/// Names the request, whatever a stranger called it, and answers in words where an inner layer only knew the fault.
pub(super) async fn edge(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let id = ordered_handle("req_");
    // A handle is base64url, so it always fits a header.
    let header = HeaderValue::from_str(&id).ok();
    if let Some(header) = &header {
        request.headers_mut().insert(REQUEST_ID, header.clone());
    }
    let address = forwarded::settle(&mut request, &edge.trusted_proxies);
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let context = trace::Context { trace_id: id.clone(), address, user_agent: user_agent.map(str::to_owned) };
    let path = request.uri().path().to_owned();
    // Never the query, headers or body: codes, tokens and passwords travel there.
    // `trace` is the client's own, which the gateway learns from the body.
    let span =
        tracing::info_span!("request", id, method = %request.method(), path, trace = tracing::field::Empty);
    let response = async {
        let response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span);
    let began = Instant::now();
    let mut response = trace::under(context, response).await;
    if let Some(fault) = response.extensions().get::<Fault>().copied() {
        response = fault.answer(&path, &id);
    }
    metrics::answered(&path, response.status().as_u16(), began.elapsed());
    let headers = response.headers_mut();
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    if edge.is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if let Some(header) = header {
        headers.insert(REQUEST_ID, header);
    }
    response
}
