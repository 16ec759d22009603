//! How a JSON endpoint refuses: OAuth's error object, its status and headers, the cause logged once.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_database::DatabaseError;
use portcullis_oauth::dpop::{self, NONCE_HEADER};
use portcullis_oauth::{Error, ErrorCode, FormError};

use crate::store::SigningKeyError;

/// A refusal on its way to a client.
#[derive(Debug)]
pub(crate) struct Refusal {
    error: Error,
    /// The scheme that a 401 names: the one that the client tried (OA21-3.2.4-2), or the endpoint's own.
    challenge: Option<String>,
    /// Where the endpoint's own specification wants another status than the code's.
    status: Option<StatusCode>,
    /// The nonce that the next proof of possession has to hold.
    nonce: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, description: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Error::new(code, description).into()
    }

    /// The error itself, for the trace of the attempt.
    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    /// What the client is told, for the paper trail.
    pub(crate) fn description(&self) -> &str {
        &self.error.description
    }

    /// The code, for the paper trail.
    pub(crate) fn code(&self) -> &'static str {
        self.error.code.as_str()
    }

    /// Whether it only says that the answer is not there yet (RFC 8628 §3.5), or with which nonce to ask for it (RFC 9449 §8).
    pub(crate) fn is_for_waiting(&self) -> bool {
        use ErrorCode::{AuthorizationPending, SlowDown, UseDpopNonce};
        matches!(self.error.code, AuthorizationPending | SlowDown | UseDpopNonce)
    }

    /// Whether the request was wrong, and not this server, nor the moment.
    pub(crate) fn is_of_the_clients_making(&self) -> bool {
        self.error.retry_after.is_none() && self.error.status() < 500
    }

    /// The caller is known and may not ask here at all.
    pub(crate) fn forbidden(mut self) -> Self {
        self.status = Some(StatusCode::FORBIDDEN);
        self
    }

    pub(crate) fn challenge_basic(mut self) -> Self {
        self.challenge = Some("Basic realm=\"portcullis\", charset=\"UTF-8\"".to_owned());
        self
    }

    /// Gives the nonce for the next proof of possession along (RFC 9449 §8).
    pub(crate) fn with_nonce(mut self, nonce: String) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// Something that is needed did not answer; what, only this server knows.
    pub(crate) fn unavailable(cause: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match cause.downcast::<DatabaseError>() {
            Ok(error) => (*error).into(),
            Err(cause) => Error::internal(cause).into(),
        }
    }

    /// The endpoint takes a token with a proof of its key (RFC 9449 §7.1).
    pub(crate) fn challenge_dpop(mut self, presented: bool) -> Self {
        let algs = dpop::algorithms().join(" ");
        let error = if presented { format!(", error=\"{}\"", self.code()) } else { String::new() };
        self.challenge = Some(format!("DPoP realm=\"portcullis\"{error}, algs=\"{algs}\""));
        self.status = Some(StatusCode::UNAUTHORIZED);
        self
    }

    /// The endpoint takes a Bearer token; whoever presented none is told of no error (R6750-3-2).
    pub(crate) fn challenge_bearer(mut self, presented: bool) -> Self {
        let error = if presented { format!(", error=\"{}\"", self.code()) } else { String::new() };
        self.challenge = Some(format!("Bearer realm=\"portcullis\"{error}"));
        self
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, challenge: None, status: None, nonce: None }
    }
}

impl From<DatabaseError> for Refusal {
    fn from(error: DatabaseError) -> Self {
        if !error.is_unavailable() {
            return Error::internal(error).into();
        }
        let away = Error::new(ErrorCode::TemporarilyUnavailable, "the store is out of reach for the moment");
        Error { cause: Some(Box::new(error)), retry_after: Some(5), ..away }.into()
    }
}

impl From<SigningKeyError> for Refusal {
    fn from(error: SigningKeyError) -> Self {
        match error {
            SigningKeyError::Database(error) => error.into(),
            other => Error::internal(other).into(),
        }
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        Self::new(ErrorCode::InvalidRequest, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.error.cause {
            tracing::error!(cause = ?cause, "a request failed");
        }
        let named = StatusCode::from_u16(self.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let status = self.status.unwrap_or(named);
        let mut response = (status, no_store(), Json(self.error.body())).into_response();
        if let Some(seconds) = self.error.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let challenge = self.challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok());
        if let Some(challenge) = challenge.filter(|_| status == StatusCode::UNAUTHORIZED) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(nonce) = self.nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
            response.headers_mut().insert(NONCE_HEADER, nonce);
        }
        response
    }
}

/// A request body, read whole; what is too large or breaks off is refused as JSON too (R7591-3.2.2-1).
pub(crate) struct RawBody(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            let text = "the body is too large or broke off";
            let mut response = Refusal::new(ErrorCode::InvalidRequest, text).into_response();
            *response.status_mut() = rejection.status();
            response
        })
    }
}

/// The headers of every answer that holds tokens, credentials or refusals of them (OA21-3.2.3-2).
pub(crate) fn no_store() -> [(axum::http::HeaderName, HeaderValue); 2] {
    [(CACHE_CONTROL, HeaderValue::from_static("no-store")), (PRAGMA, HeaderValue::from_static("no-cache"))]
}
