//! What stands around every route: an id for each request, limits, and an answer even when a handler panics.
//!
//! From the outside in: [`edge`] names the request, settles who its peer is, opens its span and puts faults into words;
//! panics become faults; too many requests at once and too slow ones become faults; bodies are bounded. Sessions, CSRF
//! and the headers of pages are nearer to the pages and not here.

mod ahead;
mod edge;
mod fault;
mod forwarded;
mod limit;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

pub use self::edge::Edge;
use self::fault::Fault;
use self::limit::Limit;

/// No request that we understand is larger.
const BODY_LIMIT: usize = 1024 * 1024;

/// The routes with the middleware around them, and an answer for every other path.
pub fn around(routes: Router, edge: Edge) -> Router {
    routes
        .fallback(|| async { Fault::NotFound })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(Limit::default(), limit::limit))
        .layer(from_fn(ahead::read_ahead))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(edge, edge::edge))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic's payload over by value")]
fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no text");
    tracing::error!(cause = text, "a request handler panicked");
    Fault::Panicked.into_response()
}

#[cfg(test)]
mod tests;
