//! Bodies: JSON by their type and by a strict grammar, small, and nothing in them that no operation knows. What is wrong is
//! told without a word of what was sent: bodies hold credentials.

use std::error::Error;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use portcullis_oauth::StrictJson;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Larger bodies are refused.
pub(super) const LARGEST: usize = 256 * 1024;

/// A body that was read.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "content_type", "Send the body as application/json."));
        }
        let bytes = to_bytes(body, LARGEST).await.map_err(|error| unread(&error))?;
        let StrictJson(value) = serde_json::from_slice(&bytes).map_err(|error| {
            let told = format!(
                "The body is not strict JSON (each key once, no NUL): line {}, column {}.",
                error.line(),
                error.column()
            );
            Problem::invalid("body_json", told)
        })?;
        serde_json::from_value(value)
            .map(Self)
            .map_err(|error| Problem::invalid("body_shape", misfit(&error)))
    }
}

/// The reader of bodies tells an overrun by its cause's text alone.
fn unread(error: &axum::Error) -> Problem {
    if error.source().is_some_and(|cause| cause.to_string() == "length limit exceeded") {
        let told = format!("The body is larger than {} KiB.", LARGEST / 1024);
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_size", told);
    }
    Problem::invalid("body_cut", "The body was cut off.")
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = value.and_then(|value| value.split(';').next()).map(str::trim);
    media.is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// The parser's words where they name members alone; of values it would repeat what was sent.
fn misfit(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let named = ["unknown field", "missing field"].iter().any(|start| words.starts_with(start));
    let why = if named {
        words.as_str()
    } else {
        "a member has another type or form than the document of the API says"
    };
    format!("The body does not fit: {why}.")
}
