//! The page for a request that cannot be answered: what happened, what to do, and a trace id to quote.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::layout::{Chrome, page};

/// A request that failed, told to the person in front of the browser (`templates/error.html`).
///
/// Causes and internals belong in the log under the same trace id, never here (ASVS-16.5.1).
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The frame; its title is the page's headline.
    pub chrome: Chrome,
    /// The response's status.
    pub status: StatusCode,
    /// What happened, in a sentence or two.
    pub happened: String,
    /// What the reader can do about it.
    pub advice: String,
    /// Finds the cause in the server's log.
    pub trace_id: String,
    /// One more fact in fixed-width type, such as the address that was refused.
    pub detail: Option<String>,
}

impl ErrorPage {
    /// An error page for somebody who may not be signed in.
    pub fn new(
        status: StatusCode,
        title: impl Into<String>,
        happened: impl Into<String>,
        advice: impl Into<String>,
        trace_id: impl Into<String>,
    ) -> Self {
        Self {
            chrome: Chrome::anonymous(title),
            status,
            happened: happened.into(),
            advice: advice.into(),
            trace_id: trace_id.into(),
            detail: None,
        }
    }

    /// Adds one more fact; it may be a stranger's text.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        page(self.status, &self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = r#""><script>alert(1)</script>"#;

    /// OA21-7.12-1: whatever a stranger sends is text.
    #[test]
    fn hostile_text_is_inert() {
        let page =
            ErrorPage::new(StatusCode::BAD_REQUEST, HOSTILE, HOSTILE, HOSTILE, HOSTILE).with_detail(HOSTILE);
        let html = page.render().unwrap_or_default();
        assert!(!html.contains("<script>"));
        assert!(html.matches("&#34;&#62;&#60;script&#62;alert(1)").count() >= 6, "{html}");
    }

    #[test]
    fn the_response_carries_the_status_and_is_not_stored() {
        let page =
            ErrorPage::new(StatusCode::NOT_FOUND, "No such page", "It is gone.", "Go back.", "trace-1");
        let response = page.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    }
}
