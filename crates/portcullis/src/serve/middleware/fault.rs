//! Faults that no endpoint answers for. Where they happen only the fault is known; the edge, which knows path and id,
//! puts it into words: JSON where programs ask, a page where people do.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_oauth::{Error, ErrorCode};
use portcullis_web::ErrorPage;

/// Programs ask under these paths; the last two are where clients of MCP 2025-03-26 look by default (MCP-AUTH-27).
const PROGRAMS: [&str; 6] = ["/oauth", "/.well-known", "/mcp", "/api", "/register", "/token"];
/// Seconds after which overload may be over.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("2");

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is at this path.
    NotFound,
    /// A handler panicked.
    Panicked,
    /// Too many requests at once.
    Overloaded,
    /// No answer in time.
    TimedOut,
}

impl Fault {
    const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded | Self::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn code(self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::InvalidRequest,
            Self::Panicked => ErrorCode::ServerError,
            Self::Overloaded | Self::TimedOut => ErrorCode::TemporarilyUnavailable,
        }
    }

    /// Headline, what happened, and what to do.
    const fn words(self) -> [&'static str; 3] {
        match self {
            Self::NotFound => [
                "No such page",
                "There is nothing at this address.",
                "Check the address, or begin at the start page.",
            ],
            Self::Panicked => [
                "Something broke",
                "The server met an unexpected condition.",
                "Try again. If it stays so, tell whoever runs this server, and quote the trace id.",
            ],
            Self::Overloaded => [
                "Too busy",
                "More is asked of this server right now than it can answer.",
                "Try again in a few seconds.",
            ],
            Self::TimedOut => [
                "That took too long",
                "The server could not answer in time.",
                "Try again. If it stays so, tell whoever runs this server, and quote the trace id.",
            ],
        }
    }

    /// The answer to a request for `path` that has this `id`.
    pub(super) fn answer(self, path: &str, id: &str) -> Response {
        let [title, happened, advice] = self.words();
        let under = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut response = if PROGRAMS.into_iter().any(under) {
            let body = Error::new(self.code(), format!("{happened} Trace id: {id}")).body();
            (self.status(), Json(body)).into_response()
        } else {
            ErrorPage::new(self.status(), title, happened, advice, id).into_response()
        };
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, COME_AGAIN);
        }
        response
    }
}

impl IntoResponse for Fault {
    /// Without words: the edge finds them.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
