//! The routes: `/mcp`, `/mcp/` and `/mcp/{alias}`, and the metadata of each. Owns what depends on the path and the
//! method alone; a message is the pipeline's.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use portcullis_oauth::dpop::NONCE_HEADER;
use portcullis_oauth::{Alias, Resource};
use tower::ServiceBuilder;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::authorization::document;
use crate::gateway::Inner;
use crate::metadata::{self, WELL_KNOWN};
use crate::pipeline;
use crate::protocol::headers;

type Gateway = State<Arc<Inner>>;

/// Every route of the gateway.
pub(crate) fn router(gateway: &Arc<Inner>) -> Router {
    let endpoint = Router::new()
        .route("/mcp", methods())
        // Clients drop the bearer on a redirect, so both forms are the endpoint itself.
        .route("/mcp/", methods())
        .route("/mcp/{alias}", methods())
        .layer(
            ServiceBuilder::new().layer(from_fn_with_state(Arc::clone(gateway), guard)).layer(cors(gateway)),
        );
    let documents = Router::new()
        .route(document::PATH, get(document::serve))
        .route(WELL_KNOWN, get(resource_metadata))
        .route(&format!("{WELL_KNOWN}/mcp"), get(resource_metadata))
        .route(&format!("{WELL_KNOWN}/mcp/{{alias}}"), get(resource_metadata))
        .layer(metadata::cors());
    endpoint.merge(documents).with_state(Arc::clone(gateway))
}

fn methods() -> MethodRouter<Arc<Inner>> {
    get(receive).post(receive).delete(receive)
}

/// Hands a request at one of our resources to the pipeline. Every well-formed alias is a resource, so that a stranger
/// learns from no answer which exist.
async fn receive(State(gateway): Gateway, alias: Option<Path<String>>, request: Request) -> Response {
    let Some(resource) = resource(&gateway, alias) else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = match *request.method() {
        Method::POST => pipeline::post(&gateway, &resource, request).await,
        Method::DELETE => pipeline::delete(&gateway, &resource, request.into_parts().0).await,
        _ => pipeline::get(&gateway, &resource, request.into_parts().0).await,
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// R9728-3-1: each resource has its own document, and the bare well-known path a copy of the aggregate's for old clients.
async fn resource_metadata(State(gateway): Gateway, alias: Option<Path<String>>) -> Response {
    match resource(&gateway, alias) {
        Some(resource) => {
            metadata::document(&resource, gateway.registry.public_url(), gateway.possession.used())
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn resource(gateway: &Inner, alias: Option<Path<String>>) -> Option<Cow<'_, Resource>> {
    match alias {
        None => Some(Cow::Borrowed(gateway.registry.aggregate())),
        Some(Path(alias)) => {
            Alias::parse(&alias).ok().map(|alias| Cow::Owned(gateway.registry.connection(alias)))
        }
    }
}

/// The first step, for every method, `OPTIONS` included (HTTP25-2, T21).
async fn guard(State(gateway): Gateway, request: Request, next: Next) -> Response {
    match pipeline::origin(&gateway, request.headers(), request.uri()).await {
        Ok(()) => next.run(request).await,
        Err(refused) => refused,
    }
}

/// DC-17: web pages of allowed origins may call, and may read what tells them how to go on.
fn cors(gateway: &Arc<Inner>) -> CorsLayer {
    let gateway = Arc::clone(gateway);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| gateway.guard.allows(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // The names of Mcp-Param-* headers are the tools' own, so there is no list to give.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::WWW_AUTHENTICATE,
            HeaderName::from_static(headers::SESSION),
            HeaderName::from_static(NONCE_HEADER),
        ])
}
