//! How a page refuses: an error page with a trace id, the cause logged once.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use portcullis_database::DatabaseError;
use portcullis_oauth::{Error, random_handle};
use portcullis_web::csrf::CsrfError;
use portcullis_web::{BrowserError, ErrorPage};

use crate::attempt::{self, Reason, Step};

/// The trace id of this request, as the outermost middleware gave it.
#[derive(Clone, Debug)]
pub(crate) struct Trace(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Trace {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let given = parts.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        Ok(Self(given.map_or_else(|| random_handle("trc_"), str::to_owned)))
    }
}

/// A page that cannot be shown, and why.
#[derive(Debug)]
pub(crate) enum PageError {
    /// What the person reads.
    Told {
        status: StatusCode,
        title: &'static str,
        happened: String,
        advice: &'static str,
        detail: Option<String>,
        /// The seconds after which it is worth trying again (`Retry-After`, RFC 9110 §10.2.3).
        retry_after: Option<u64>,
    },
    /// An internal fault: the person reads no more than the trace id.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl PageError {
    pub(crate) fn told(title: &'static str, happened: impl Into<String>, advice: &'static str) -> Self {
        let (status, happened) = (StatusCode::BAD_REQUEST, happened.into());
        Self::Told { status, title, happened, advice, detail: None, retry_after: None }
    }

    pub(crate) fn with_detail(mut self, text: impl Into<String>) -> Self {
        if let Self::Told { detail, .. } = &mut self {
            *detail = Some(text.into());
        }
        self
    }

    pub(crate) fn with_status(mut self, code: StatusCode) -> Self {
        if let Self::Told { status, .. } = &mut self {
            *status = code;
        }
        self
    }

    /// The same, to be tried again after so many seconds.
    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Self {
        if let Self::Told { retry_after, .. } = &mut self {
            *retry_after = Some(seconds);
        }
        self
    }

    pub(crate) fn into_page(self, trace: &Trace) -> Response {
        match self {
            Self::Told { status, title, happened, advice, detail, retry_after } => {
                let page = ErrorPage { detail, ..ErrorPage::new(status, title, happened, advice, &trace.0) };
                with_retry_after(page.into_response(), retry_after)
            }
            Self::Internal(cause) => {
                tracing::error!(?cause, "a page could not be made");
                let happened =
                    "The server met a problem that it did not expect. Nothing was granted or changed.";
                let advice = "Try again in a moment. If it happens again, tell whoever runs this server the code below.";
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                ErrorPage::new(status, "Something went wrong", happened, advice, &trace.0).into_response()
            }
        }
    }
}

/// A page that says in its head, too, after how many seconds it is worth trying again.
pub(crate) fn with_retry_after(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Runs a page's handler and turns its refusal into an error page.
pub(crate) async fn page_or_error<F>(trace: &Trace, page: F) -> Response
where
    F: Future<Output = Result<Response, PageError>>,
{
    page.await.unwrap_or_else(|error| error.into_page(trace))
}

impl From<DatabaseError> for PageError {
    fn from(error: DatabaseError) -> Self {
        if error.is_unavailable() {
            tracing::error!(cause = ?error, "the database is out of reach");
            return Self::told(
                "The server cannot answer just now",
                "It cannot reach its database. Nothing was granted or changed.",
                "Wait a moment, then go back and try again.",
            )
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .with_retry_after(5);
        }
        Self::Internal(Box::new(error))
    }
}

impl From<BrowserError> for PageError {
    fn from(error: BrowserError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        match error.retry_after {
            Some(seconds) => Self::told(
                "The server is busy",
                format!("Too many requests arrive at this moment. Wait {seconds} seconds."),
                "Go back, wait a little and try again.",
            )
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .with_retry_after(seconds),
            None => Self::Internal(Box::new(error)),
        }
    }
}

impl From<CsrfError> for PageError {
    fn from(error: CsrfError) -> Self {
        match error {
            CsrfError::Session(error) => error.into(),
            refused => {
                attempt::unless_refused((Step::Session, Reason::FormRefused), "a form of ours", &refused);
                Self::told(
                "This form cannot be used",
                format!("Nothing was changed: {refused}."),
                "Go back, load the page again and send the form from there. Cookies must be allowed for this site.",
            )
            .with_status(StatusCode::FORBIDDEN)
            }
        }
    }
}
