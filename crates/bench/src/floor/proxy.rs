//! The floor of calls that go to an upstream server: a row before and one after, each committed with those of others that
//! wait at the same moment, and between them the request as it came. Nothing of it is read but the bearer.

use std::net::Ipv4Addr;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{Shared, admitted, failed};
use crate::Outcome;

/// Larger answers are a mistake.
const LARGEST: usize = 1024 * 1024;

/// What of a request concerns the upstream server, and of its answer the client.
const CARRIED: [HeaderName; 6] = [
    CONTENT_TYPE,
    ACCEPT,
    HeaderName::from_static("mcp-protocol-version"),
    HeaderName::from_static("mcp-method"),
    HeaderName::from_static("mcp-name"),
    HeaderName::from_static("mcp-session-id"),
];

/// Connections that are kept between requests.
pub(super) type Upstream = Client<HttpConnector, Body>;

pub(super) fn upstream() -> Upstream {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// `POST /pass/{port}/{path}`
pub(super) async fn pass(
    State(floor): Shared,
    Path((port, path)): Path<(u16, String)>,
    request: Request,
) -> Response {
    if let Err(refused) = admitted(&floor, request.headers()).await {
        return refused;
    }
    let passed = async {
        let (parts, body) = request.into_parts();
        let uri = format!("http://{}:{port}/{path}", Ipv4Addr::LOCALHOST);
        let mut outgoing = Request::post(uri).body(body)?;
        carry(&parts.headers, outgoing.headers_mut());
        floor.group.record("started").await?;
        let answer = floor.upstream.request(outgoing).await?;
        let (parts, body) = answer.into_parts();
        let body = to_bytes(Body::new(body), LARGEST).await?;
        floor.group.record("done").await?;
        let mut answer = (parts.status, body).into_response();
        carry(&parts.headers, answer.headers_mut());
        Outcome::Ok(answer)
    };
    passed.await.unwrap_or_else(|error| failed(&*error))
}

fn carry(from: &HeaderMap, to: &mut HeaderMap) {
    for name in CARRIED {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
}
