//! A refusal: the reason code that the audit keeps, and the answer that the caller reads. One shape for every step of
//! the pipeline, so that no step can refuse without a reason.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_limits::Verdict;
use portcullis_oauth::dpop::DpopUse;
use portcullis_oauth::{Resource, Seconds, TokenScheme};
use serde_json::Value;

use crate::challenge::Unauthorized;
use crate::envelope::{self, Id};
use crate::protocol::{Era, code, result};
use crate::reply::Reply;
use crate::tool::ToolResult;

/// Why a request goes no further.
#[derive(Debug)]
pub(crate) struct Refusal {
    reason: &'static str,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// The bearer check's own answers, to a token that was presented in this way.
    Bearer(Unauthorized, TokenScheme),
    /// Refused by the transport: the body is for people.
    Transport(StatusCode, &'static str),
    /// Too often: 429, or 503 when we are the ones that cannot.
    Later(StatusCode, Seconds),
    /// A JSON-RPC error.
    Rpc { status: StatusCode, code: i64, message: String, data: Option<Box<Value>> },
    /// A tool result that says `isError`, so that the model reads it, and a note for programs.
    Tool(String, Option<(&'static str, Box<Value>)>),
}

impl Refusal {
    /// Refused at the bearer check.
    pub(crate) fn bearer(reason: &'static str, why: Unauthorized, scheme: TokenScheme) -> Self {
        Self { reason, answer: Answer::Bearer(why, scheme) }
    }

    /// Refused by the rules of the transport.
    pub(crate) fn transport(reason: &'static str, status: StatusCode, message: &'static str) -> Self {
        Self { reason, answer: Answer::Transport(status, message) }
    }

    /// A JSON-RPC error with HTTP status 400: the message as such cannot be taken.
    pub(crate) fn bad_request(reason: &'static str, code: i64, message: impl Into<String>) -> Self {
        Self::rpc(reason, StatusCode::BAD_REQUEST, code, message)
    }

    /// A JSON-RPC error with HTTP status 200: the message was understood, what it asks for was not possible.
    pub(crate) fn error(reason: &'static str, code: i64, message: impl Into<String>) -> Self {
        Self::rpc(reason, StatusCode::OK, code, message)
    }

    /// A JSON-RPC error.
    pub(crate) fn rpc(
        reason: &'static str,
        status: StatusCode,
        code: i64,
        message: impl Into<String>,
    ) -> Self {
        Self { reason, answer: Answer::Rpc { status, code, message: message.into(), data: None } }
    }

    /// The same with `data`, where the answer can carry some.
    pub(crate) fn with_data(mut self, value: Value) -> Self {
        if let Answer::Rpc { data, .. } = &mut self.answer {
            *data = Some(Box::new(value));
        }
        self
    }

    /// The same with a note in `_meta`, where the answer is a tool's.
    pub(crate) fn noting(mut self, key: &'static str, value: Value) -> Self {
        if let Answer::Tool(_, note) = &mut self.answer {
            *note = Some((key, Box::new(value)));
        }
        self
    }

    /// A tool result that says `isError` (TOOL-4).
    pub(crate) fn tool(reason: &'static str, text: impl Into<String>) -> Self {
        Self { reason, answer: Answer::Tool(text.into(), None) }
    }

    /// Fails closed: a store that is needed does not answer (ASVS-16.5.1). The cause goes to the log alone.
    pub(crate) fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(?cause, "a request was refused because a store does not answer");
        Self { reason: "unavailable", answer: Answer::Later(StatusCode::SERVICE_UNAVAILABLE, Seconds(5)) }
    }

    /// Refuses with 429 unless the user's bucket has room.
    pub(crate) fn unless_allowed(verdict: Verdict) -> Result<(), Self> {
        match verdict {
            Verdict::Allowed => Ok(()),
            Verdict::Refused { retry_after } => Err(Self {
                reason: "user_rate_limit",
                answer: Answer::Later(StatusCode::TOO_MANY_REQUESTS, retry_after),
            }),
        }
    }

    /// The reason code, stable across releases.
    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }

    /// What sort of answer it is, for the paper trail.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.answer {
            Answer::Bearer(..) => "challenge",
            Answer::Transport(..) | Answer::Later(..) => "http_error",
            Answer::Rpc { .. } => "error",
            Answer::Tool(..) => "tool_error",
        }
    }

    /// The answer at `resource`, which uses `DPoP` like this, to the request `id`.
    pub(crate) fn respond(
        &self,
        (resource, dpop): (&Resource, DpopUse),
        era: Era,
        id: Option<&Id>,
    ) -> Response {
        let body = |status: StatusCode, code: i64, message: &str, data: Option<&Value>| {
            (status, Json(envelope::error(id, code, message, data))).into_response()
        };
        match &self.answer {
            Answer::Bearer(why, scheme) => why.respond(resource, *scheme, dpop),
            Answer::Transport(status, message) => body(*status, code::TRANSPORT, message, None),
            Answer::Later(status, seconds) => {
                let message = if *status == StatusCode::TOO_MANY_REQUESTS {
                    "too many requests: wait as long as Retry-After says"
                } else {
                    "temporarily unavailable"
                };
                let mut response = body(*status, code::TRANSPORT, message, None);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.0));
                response
            }
            Answer::Rpc { status, code, message, data } => body(*status, *code, message, data.as_deref()),
            Answer::Tool(text, note) => match id {
                Some(id) => {
                    let mut refused = Reply::from(ToolResult::error(text.clone()));
                    if let Some((key, value)) = note {
                        refused.note(key, Value::clone(value));
                    }
                    Json(envelope::result(id, &result::complete(era, refused))).into_response()
                }
                None => StatusCode::ACCEPTED.into_response(),
            },
        }
    }
}
