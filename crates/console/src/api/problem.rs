//! How the API refuses (RFC 9457): one shape, with a code that is stable across releases, for programs, and a sentence for
//! people. Causes go to the log alone.

use std::error::Error;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_database::DatabaseError;
use portcullis_oauth::Seconds;
use portcullis_resource_server::Forbidden;
use serde_json::{Value, json};

/// RFC 9457 §3.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";
/// Under these names RFC 9457's `type` tells problems apart.
const TYPE: &str = "urn:portcullis:problem:";

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<Seconds>,
    /// Beside the rest: what is wrong with each part.
    errors: Option<Box<Value>>,
    /// What the policy said, where it was the policy.
    forbidden: Option<Box<Forbidden>>,
}

/// The code of a problem, left in its response for the paper trail, as is what the policy said.
#[derive(Clone, Debug)]
pub(super) struct Code(pub(super) &'static str);

impl Problem {
    /// A problem.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, errors: None, forbidden: None }
    }

    /// What was sent cannot be taken: 400.
    pub(super) fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// What was sent is understood, and cannot be: 422.
    pub(super) fn unfit(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// There is no such thing, as far as the caller goes: 404.
    pub(super) fn missing(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// It stands against what is there: 409.
    pub(super) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The policy says no: 403.
    pub(super) fn forbidden(forbidden: Forbidden) -> Self {
        let problem = Self::new(StatusCode::FORBIDDEN, forbidden.code, forbidden.reason.as_str());
        Self { forbidden: Some(Box::new(forbidden)), ..problem }
    }

    /// Asked too often: 429.
    pub(super) fn too_often(seconds: Seconds) -> Self {
        let told = format!("Too many requests: try again in {} seconds.", seconds.0);
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", told);
        Self { retry_after: Some(seconds), ..problem }
    }

    /// Something inside, such as a store that does not answer: 503, and the cause goes to the log (ASVS-16.5.1).
    pub(super) fn inside(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(?cause, "a request of the API failed inside");
        let told = "The server cannot do this just now. The log tells more under the request's id.";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", told);
        Self { retry_after: Some(Seconds(5)), ..problem }
    }

    /// Whether the caller may not, as far as rules go, and nothing failed.
    pub(super) fn is_refusal(&self) -> bool {
        self.status == StatusCode::FORBIDDEN
    }

    /// The same, with what is wrong with each part.
    pub(super) fn with_errors(self, errors: Value) -> Self {
        Self { errors: Some(Box::new(errors)), ..self }
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        Self::inside(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("{TYPE}{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let Some(errors) = self.errors {
            body["errors"] = *errors;
        }
        let mut response = (self.status, body.to_string()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.0));
        }
        response.extensions_mut().insert(Code(self.code));
        if let Some(forbidden) = self.forbidden {
            response.extensions_mut().insert(*forbidden);
        }
        response
    }
}
