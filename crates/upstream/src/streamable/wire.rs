//! One HTTP exchange with an MCP endpoint, and what its status and content type mean.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use portcullis_oauth::ErrorCode;
use portcullis_outbound::{Body, Failure as Unsent, Lane, Network, Parcel, Unreachable};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::endpoint::Headers;
use crate::message::{self, Incoming};
use crate::session::Context;
use crate::{Endpoint, Failure, HttpTarget};

const JSON: &str = "application/json";
const STREAM: &str = "text/event-stream";
/// Refusals are short.
const REFUSAL: usize = 64 * 1_024;
/// So long a server is told that a session is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to one MCP endpoint.
pub(super) struct Wire {
    lane: Lane,
    /// With what it was opened, and is closed.
    headers: Headers,
    pub(super) limit: usize,
}

/// An answer that began: the head was read.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Body,
}

impl Wire {
    pub(super) fn new(context: &Context, endpoint: &Endpoint, target: &HttpTarget) -> Result<Self, Failure> {
        let network = if target.private_network { Network::Private } else { Network::Public };
        let lane = context.outbound.lane(&target.url, network).map_err(|error| unsent(&error))?;
        Ok(Self { lane, headers: endpoint.headers.clone(), limit: context.settings.response_limit })
    }

    /// With what the session was opened.
    pub(super) fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Posts one message.
    pub(super) async fn post(
        &self,
        credentials: &Headers,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, Failure> {
        self.send(Method::POST, credentials, headers, body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        credentials: &Headers,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Failure> {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        credentials.write(&mut headers);
        let streaming =
            self.lane.send(Parcel { method, headers, body }).await.map_err(|error| unsent(&error))?;
        let reply =
            Reply { status: streaming.status.as_u16(), headers: streaming.headers, body: streaming.body };
        reply.refused_here(streaming.status)
    }

    /// Says something whose answer nobody needs.
    pub(super) async fn farewell(&self, method: Method, headers: HeaderMap) {
        let sent = timeout(FAREWELL, self.send(method, &self.headers, headers, Bytes::new())).await;
        if let Ok(Ok(reply)) = sent {
            reply.body.finish();
        }
    }
}

impl Reply {
    /// What the status alone says.
    fn refused_here(self, status: StatusCode) -> Result<Self, Failure> {
        let text = |name| {
            self.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok().map(str::to_owned))
        };
        match status {
            StatusCode::UNAUTHORIZED => Err(Failure::Unauthorized { challenge: text(WWW_AUTHENTICATE) }),
            StatusCode::FORBIDDEN => Err(match text(WWW_AUTHENTICATE) {
                Some(challenge) if challenge.contains(ErrorCode::InsufficientScope.as_str()) => {
                    Failure::InsufficientScope { challenge }
                }
                _ => Failure::Forbidden,
            }),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let seconds = text(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
                Err(Failure::Overloaded { retry_after: seconds.map(Duration::from_secs) })
            }
            status if status.is_redirection() => Err(Failure::Redirected),
            _ => Ok(self),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the content type is this one, whatever its parameters.
    fn is(&self, media_type: &str) -> bool {
        let given = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }

    /// What a reply that is no success says: a JSON-RPC error where there is one, else its status.
    pub(super) async fn into_refusal(self) -> Failure {
        let status = Failure::Status { status: self.status };
        if !self.is(JSON) {
            return status;
        }
        let Ok(body) = self.body.read(REFUSAL).await else { return status };
        match message::read(&body) {
            Ok(Incoming::Answer { outcome: Err(error), .. } | Incoming::Refused(error)) => {
                Failure::Rpc(error)
            }
            _ => status,
        }
    }

    /// The result of the request with this id.
    pub(super) async fn into_result(self, id: u64, wire: &Wire) -> Result<Box<RawValue>, Failure> {
        if !self.is_success() {
            return Err(self.into_refusal().await);
        }
        if !self.is(JSON) {
            return Err(Failure::not_mcp("neither JSON nor a stream of events"));
        }
        let body = self.body.read(wire.limit).await.map_err(|error| broken(&error, wire.limit))?;
        match message::read(&body)? {
            Incoming::Answer { id: answered, outcome } if answered == id => outcome.map_err(Failure::Rpc),
            _ => Err(Failure::not_mcp("the answer is not to what was asked")),
        }
    }

    /// Nothing more of it matters.
    pub(super) fn finish(self) {
        self.body.finish();
    }
}

/// What it means that there is no answer.
fn unsent(error: &Unreachable) -> Failure {
    match &error.cause {
        Unsent::Lost(_) => Failure::Lost,
        Unsent::Encoded => Failure::not_mcp("the answer is compressed, which was not asked for"),
        cause => Failure::Unreachable { cause: cause.to_string() },
    }
}

/// What it means that an answer has no end.
fn broken(error: &Unreachable, limit: usize) -> Failure {
    match &error.cause {
        Unsent::TooLarge => Failure::TooLarge { limit },
        _ => Failure::Lost,
    }
}
