//! Overload and slowness: a refusal that says when to come again, never a hang.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::fault::Fault;

/// So many requests are worked on at once; more would only wait for the database.
const CONCURRENT: usize = 512;
/// An answer has begun within this time or never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much is worked on, and for how long. Cheap to clone; clones share the count.
#[derive(Clone)]
pub(super) struct Limit {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Default for Limit {
    fn default() -> Self {
        Self::new(CONCURRENT, PATIENCE)
    }
}

impl Limit {
    /// So many at once, each for so long.
    pub(super) fn new(concurrent: usize, patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(concurrent)), patience }
    }
}

/// Gives the request a place until its answer begins. A stream that follows holds none.
pub(super) async fn limit(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    let Ok(_place) = limit.places.try_acquire() else {
        tracing::warn!("overloaded: a request was refused");
        return Fault::Overloaded.into_response();
    };
    match timeout(limit.patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!("a request took too long and was given up");
            Fault::TimedOut.into_response()
        }
    }
}
