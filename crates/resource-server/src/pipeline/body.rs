//! The body: small, in time, JSON by its type and by its strict grammar, and one message (T23, T24). Also the check that
//! the caller can take what we would answer.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use portcullis_oauth::Secret;

use crate::envelope::{EnvelopeError, Message};
use crate::json;
use crate::protocol::code;
use crate::refusal::Refusal;

/// Larger bodies are refused.
const LARGEST: usize = 1024 * 1024;

/// Reads the message of a request. A body that takes longer than `patience` is given up.
pub(super) async fn read(
    headers: &HeaderMap,
    (body, patience): (Body, Duration),
    token: &Secret,
) -> Result<Message, Refusal> {
    let refuse = Refusal::transport;
    // HTTP25-4: refused only if what we send is not acceptable
    if !accepts_json(headers) {
        return Err(refuse(
            "accept",
            StatusCode::NOT_ACCEPTABLE,
            "the answer is application/json: accept it",
        ));
    }
    if !is_json(headers) {
        return Err(refuse("content_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let bytes = match tokio::time::timeout(patience, to_bytes(body, LARGEST)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if is_too_large(&error) => {
            return Err(refuse("body_size", StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB"));
        }
        Ok(Err(_)) => return Err(refuse("body_cut", StatusCode::BAD_REQUEST, "the body was cut off")),
        Err(_) => return Err(refuse("body_slow", StatusCode::REQUEST_TIMEOUT, "the body came too slowly")),
    };
    // T04: what would travel on to an upstream is never the token itself.
    let token = token.expose().as_bytes();
    if bytes.windows(token.len()).any(|window| window == token) {
        let why = "the body holds the access token: it belongs into the header, and nowhere else";
        return Err(Refusal::transport("token_in_body", StatusCode::BAD_REQUEST, why));
    }
    let value = json::parse(&bytes)
        .map_err(|error| Refusal::bad_request("body_json", code::PARSE_ERROR, error.message()))?;
    Message::read(value).map_err(|error| match error {
        EnvelopeError::Batch => {
            Refusal::bad_request("batch", code::INVALID_REQUEST, "batches are not taken: send one message")
        }
        EnvelopeError::Shape(why) => Refusal::bad_request("envelope", code::INVALID_REQUEST, why),
    })
}

/// The reader of bodies tells an overrun by its cause's text alone.
fn is_too_large(error: &axum::Error) -> bool {
    error.source().is_some_and(|cause| cause.to_string() == "length limit exceeded")
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = text(headers, CONTENT_TYPE).and_then(|value| value.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
        && text(headers, CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"))
}

fn accepts_json(headers: &HeaderMap) -> bool {
    !headers.contains_key(ACCEPT) || accepts(headers, ["application/json", "application/*", "*/*"])
}

/// Whether the caller can take a stream of events. Only who says so: a program that takes anything reads JSON.
pub(super) fn accepts_stream(headers: &HeaderMap) -> bool {
    accepts(headers, ["text/event-stream"; 3])
}

fn accepts(headers: &HeaderMap, known: [&str; 3]) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        known.contains(&media.as_str()) && !refused
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}
