//! `/healthz`: the process answers. `/readyz`: so does its database, and their clocks agree.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use portcullis_database::{ChangeFeed, Database, DatabaseError, HARMFUL_SKEW};
use portcullis_oauth::Clock;

/// What readiness is judged by.
#[derive(Clone)]
pub(super) struct Health {
    pub(super) changes: ChangeFeed,
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
}

/// The two routes.
pub(super) fn routes(health: Health) -> Router {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(readyz)).with_state(health)
}

async fn readyz(State(health): State<Health>) -> (StatusCode, &'static str) {
    match health.skew().await {
        Ok(skew) if skew < HARMFUL_SKEW => (StatusCode::OK, "ready"),
        Ok(skew) => {
            tracing::warn!(
                skew,
                "not ready: this machine's clock and the database's are so many milliseconds apart"
            );
            (StatusCode::SERVICE_UNAVAILABLE, "the clock is not the database's")
        }
        Err(error) => {
            tracing::warn!(cause = ?error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
    }
}

impl Health {
    /// The change feed reads the database all the time, so it knows; only when it is late the database itself is asked.
    async fn skew(&self) -> Result<u64, DatabaseError> {
        if !self.changes.is_timely() {
            self.changes.read().await?;
        }
        self.database.skew(self.clock.as_ref()).await
    }
}
