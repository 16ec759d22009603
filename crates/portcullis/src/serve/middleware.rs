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
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub use self::edge::Edge;
use self::fault::Fault;
use self::limit::Limit;

/// No request that we understand is larger.
const BODY_LIMIT: usize = 1024 * 1024;

/// The routes with the middleware around them, and an answer for every other path.
pub fn around(routes: Router, edge: Edge) -> Router {
    // Around the router as a whole: its own layers are boxed one by one for every route, and cloned at every request.
    let guarded = ServiceBuilder::new()
        .layer(from_fn_with_state(edge, edge::edge))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(ahead::read_ahead))
        .layer(from_fn_with_state(Limit::default(), limit::limit))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .service(routes.fallback(|| async { Fault::NotFound }));
    Router::new().fallback_service(guarded)
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
