//! `/oauth/client/{issuer}`: who we are to one issuer, for that issuer to read (Client ID Metadata Documents §4). It names
//! the callback of that issuer and no other, so that no other's answer can be taken for its own.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

use crate::gateway::Inner;

/// The route.
pub(crate) const PATH: &str = "/oauth/client/{issuer}";

/// `GET /oauth/client/{issuer}`
pub(crate) async fn serve(State(gateway): State<Arc<Inner>>, Path(digest): Path<String>) -> Response {
    match gateway.authorization.client_document(&digest).await {
        Ok(Some(document)) => {
            let headers = [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (CACHE_CONTROL, "max-age=3600")];
            (headers, Json(document)).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(cause) => {
            tracing::error!(?cause, "a client document could not be made");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
