//! One HTTP exchange with an MCP endpoint, and what its status and content type mean.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use portcullis_oauth::ErrorCode;
use portcullis_outbound::{Body, Failure as Unsent, Lane, Network, Parcel, Unreachable};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::endpoint::Headers;
use crate::message::{self, Incoming};
use crate::session::Context;
use crate::sse::Decoder;
use crate::talk::Board;
use crate::{Endpoint, Failure, HttpTarget};

const JSON: &str = "application/json";
const STREAM: &str = "text/event-stream";
const EITHER: &str = "application/json, text/event-stream";
const LAST_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Refusals are short.
const REFUSAL: usize = 64 * 1_024;
/// So long a server is told that a session is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// A stream in answer to one request may have so many times what one answer may have, all that is said meanwhile included.
const SAID: u64 = 16;

/// The way to one MCP endpoint.
pub(crate) struct Wire {
    lane: Lane,
    /// With what it was opened, and is closed.
    headers: Headers,
    pub(crate) board: Board,
    pub(crate) limit: usize,
}

/// An answer that began: the head was read.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Body,
}

impl Wire {
    pub(crate) fn new(context: &Context, endpoint: &Endpoint, target: &HttpTarget) -> Result<Self, Failure> {
        let network = if target.private_network { Network::Private } else { Network::Public };
        let lane = context.outbound.lane(&target.url, network).map_err(|error| unsent(&error))?;
        let board = Board::new(&endpoint.key, &context.inbox);
        Ok(Self { lane, headers: endpoint.headers.clone(), board, limit: context.settings.response_limit })
    }

    /// A reader of the stream that answers one request.
    pub(crate) fn decoder(&self) -> Decoder {
        Decoder::new(self.limit, self.limit as u64 * SAID)
    }

    /// The address of the same origin that the server names.
    pub(crate) fn beside(&self, reference: &str) -> Result<String, Failure> {
        self.lane
            .beside(reference)
            .ok_or_else(|| Failure::not_mcp("the server names an address of another origin"))
    }

    /// With what the session was opened.
    pub(crate) fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Posts one message.
    pub(crate) async fn post(
        &self,
        credentials: &Headers,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, Failure> {
        self.send(Method::POST, credentials, headers, body.into()).await
    }

    /// Asks for a stream: that of a session, or the rest of one that broke off after the event `last_id`.
    pub(crate) async fn get(
        &self,
        credentials: &Headers,
        mut headers: HeaderMap,
        last_id: Option<&str>,
    ) -> Result<Reply, Failure> {
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_ID, id);
        }
        self.send(Method::GET, credentials, headers, Bytes::new()).await
    }

    async fn send(
        &self,
        method: Method,
        credentials: &Headers,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Failure> {
        let accept = if method == Method::GET { STREAM } else { EITHER };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
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

    /// Tells the server that a session is over; its answer changes nothing.
    pub(crate) async fn farewell(&self, named: HeaderMap) {
        let sent = timeout(FAREWELL, self.send(Method::DELETE, &self.headers, named, Bytes::new())).await;
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

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the content type is this one, whatever its parameters.
    fn is(&self, media_type: &str) -> bool {
        let given = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }

    /// Whether it is a stream of events.
    pub(crate) fn is_stream(&self) -> bool {
        self.is(STREAM)
    }

    /// What a reply that is no success says: a JSON-RPC error where there is one, else its status.
    pub(crate) async fn into_refusal(self) -> Failure {
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
    pub(crate) async fn into_result(self, id: u64, wire: &Wire) -> Result<Box<RawValue>, Failure> {
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

    /// The same from a stream, of which nothing but the answer matters.
    pub(crate) async fn into_first(mut self, id: u64, wire: &Wire) -> Result<Box<RawValue>, Failure> {
        let mut decoder = wire.decoder();
        while let Some(event) = decoder.next(&mut self.body).await? {
            if let Incoming::Answer { id: answered, outcome } = message::read(&event.data)?
                && answered == id
            {
                self.body.finish();
                return outcome.map_err(Failure::Rpc);
            }
        }
        Err(Failure::Lost)
    }

    /// What is left to be read.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }

    /// Nothing more of it matters.
    pub(crate) fn finish(self) {
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
