//! A form that a browser or a client posted.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use portcullis_oauth::{Form, FormError};

/// Reads a form body by its `Content-Type`.
///
/// # Errors
/// When it is of another media type, or not a form that OAuth allows.
pub fn form(headers: &HeaderMap, body: &[u8]) -> Result<Form, FormError> {
    Form::from_body(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()), body)
}
