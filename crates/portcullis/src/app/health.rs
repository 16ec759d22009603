//! `/healthz`: the process answers. `/readyz`: so does its database.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use portcullis_database::ChangeFeed;

/// The two routes.
pub(super) fn routes(changes: ChangeFeed) -> Router {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(readyz)).with_state(changes)
}

/// The change feed reads the database all the time, so it knows; only when it is late the database itself is asked.
async fn readyz(State(changes): State<ChangeFeed>) -> (StatusCode, &'static str) {
    if changes.is_timely() {
        return (StatusCode::OK, "ready");
    }
    match changes.read().await {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(error) => {
            tracing::warn!(cause = ?error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
    }
}
