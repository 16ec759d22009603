//! The server over HTTP: which path speaks which era.

pub mod bad;
mod legacy;
mod reply;
pub(crate) mod session;
mod stateless;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use serde_json::Value;

use crate::answers::{RpcError, message};
use crate::state::{Seen, State};

/// Bodies are small here.
const LIMIT: usize = 16 * 1_024 * 1_024;

/// Which eras a path speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Both,
    Stateless,
    Sessions,
    /// Sessions, with answers in plain JSON.
    Json,
    /// Sessions, without a stream of their own.
    Mute,
}

/// One request, its body read.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) query: String,
    pub(crate) body: Value,
    pub(crate) speaks: Speaks,
}

pub(crate) fn router(state: Arc<State>) -> Router {
    let mut router = Router::new();
    for (path, speaks) in [
        ("/mcp", Speaks::Both),
        ("/stateless", Speaks::Stateless),
        ("/sessions", Speaks::Sessions),
        ("/json", Speaks::Json),
        ("/mute", Speaks::Mute),
    ] {
        let served = async move |Shared(state): Shared<Arc<State>>, request: Request| {
            serve(state, speaks, request).await
        };
        router = router.route(path, any(served));
    }
    router
        .route("/sse", any(legacy::stream))
        .route("/messages", any(legacy::message))
        .route("/bad/{how}", any(bad::serve))
        .with_state(state)
}

/// Reads a request whole and notes it.
pub(crate) async fn read(state: &State, request: Request, speaks: Speaks) -> Result<Incoming, Box<Response>> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, LIMIT).await.unwrap_or_default();
    let parsed = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
    let Ok(body) = parsed else {
        let refusal = refuse(StatusCode::BAD_REQUEST, &Value::Null, RpcError::new(-32_700, "not JSON"));
        return Err(Box::new(refusal));
    };
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: HashMap<_, _> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let method = body["method"].as_str().unwrap_or(parts.method.as_str()).to_owned();
    state.note(Seen { path: parts.uri.path().to_owned(), method, headers, body: body.clone() });
    let query = parts.uri.query().unwrap_or_default().to_owned();
    Ok(Incoming { method: parts.method, headers: parts.headers, query, body, speaks })
}

async fn serve(state: Arc<State>, speaks: Speaks, request: Request) -> Response {
    let incoming = match read(&state, request, speaks).await {
        Ok(incoming) => incoming,
        Err(refusal) => return *refusal,
    };
    if !is_from_here(&incoming.headers) {
        return (StatusCode::FORBIDDEN, "not from here").into_response();
    }
    if incoming.body.is_array() {
        let error = RpcError::new(-32_600, "one message, please");
        return refuse(StatusCode::BAD_REQUEST, &Value::Null, error);
    }
    let is_stateless = stateless::claims(&incoming);
    match speaks {
        Speaks::Stateless => stateless::serve(state, incoming).await,
        Speaks::Both if is_stateless => stateless::serve(state, incoming).await,
        _ if is_stateless => {
            refuse(StatusCode::BAD_REQUEST, &incoming.body["id"], RpcError::new(-32_000, "no session"))
        }
        _ => session::serve(state, incoming).await,
    }
}

/// A name server that lies leads browsers here; they say so.
fn is_from_here(headers: &HeaderMap) -> bool {
    let is_local = |name: &str| {
        let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else { return true };
        let host = value.strip_prefix("http://").unwrap_or(value);
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        matches!(host, "127.0.0.1" | "localhost" | "[::1]")
    };
    is_local("host") && is_local("origin")
}

/// A JSON-RPC error with a status.
pub(crate) fn refuse(status: StatusCode, id: &Value, error: RpcError) -> Response {
    json_body(status, &message(id, Err(error)))
}

/// A JSON answer.
pub(crate) fn json_body(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// One event as it is written.
pub(crate) fn event(id: Option<&str>, data: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("{id}data: {data}\n\n"))
}
