//! Whether the process answers, and whether it is ready: for those who watch over it.
//!
//! `/healthz`: the process answers. `/readyz`: so does its database, their clocks agree, and audit events can be committed; else
//! the reasons. Both are on the public listener, and with `/metrics` on one of their own.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use portcullis_audit::Trail;
use portcullis_database::{ChangeFeed, Database, DatabaseError, HARMFUL_SKEW};
use portcullis_oauth::Clock;
use serde_json::json;

use crate::serve::metrics::Metrics;

/// What readiness is judged by.
#[derive(Clone)]
pub struct Health {
    database: Database,
    changes: ChangeFeed,
    trail: Trail,
    clock: Arc<dyn Clock>,
}

/// The two routes of the public listener.
pub(super) fn routes(health: Health) -> Router {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(readyz)).with_state(health)
}

/// The routes of the listener for those who watch.
pub(crate) fn ops(health: Health, metrics: Metrics) -> Router {
    let readiness = health.clone();
    let readyz = move || {
        let health = readiness.clone();
        async move {
            let reasons = health.reasons().await;
            let status = status(&reasons);
            (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons })))
        }
    };
    let metrics = move || {
        let (health, metrics) = (health.clone(), metrics.clone());
        async move {
            let ready = health.reasons().await.is_empty();
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.text(ready))
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics").into_response()
        })
}

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    let reasons = health.reasons().await;
    let text = if reasons.is_empty() { "ready".to_owned() } else { reasons.join("; ") };
    (status(&reasons), text)
}

fn status(reasons: &[&str]) -> StatusCode {
    if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

impl Health {
    /// Judged by these.
    pub(super) fn by(
        database: &Database,
        changes: &ChangeFeed,
        trail: &Trail,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (database, changes) = (database.clone(), changes.clone());
        Self { database, changes, trail: trail.clone(), clock: clock.clone() }
    }

    /// Why it is not ready; the log tells more.
    async fn reasons(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        match self.skew().await {
            Ok(skew) if skew < HARMFUL_SKEW => {}
            Ok(skew) => {
                tracing::warn!(
                    skew,
                    "not ready: this machine's clock and the database's are so many milliseconds apart"
                );
                reasons.push("the clock is not the database's");
            }
            Err(error) => {
                tracing::warn!(cause = ?error, "not ready");
                reasons.push("the database does not answer");
            }
        }
        if self.trail.is_failing() {
            reasons.push("audit events cannot be committed");
        }
        reasons
    }

    /// The change feed reads the database all the time, so it knows; only when it is late the database itself is asked.
    async fn skew(&self) -> Result<u64, DatabaseError> {
        if !self.changes.is_timely() {
            self.changes.read().await?;
        }
        self.database.skew(self.clock.as_ref()).await
    }
}
