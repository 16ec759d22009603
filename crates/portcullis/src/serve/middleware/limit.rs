//! Overload and slowness: a refusal that says when to come again, never a hang.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portcullis_web::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::fault::Fault;

/// So many requests are worked on at once; more would only wait for the database.
const CONCURRENT: usize = 512;
/// An answer has begun within this time or never will.
const PATIENCE: Duration = Duration::from_secs(30);
/// Whoever watches over the process must be answered under load too.
const WATCHED: [&str; 2] = ["/healthz", "/readyz"];

/// How much is worked on, and for how long. Cheap to clone; clones share the count.
#[derive(Clone)]
pub(super) struct Limit {
    places: Arc<Semaphore>,
    peers: Arc<Mutex<HashMap<Peer, usize>>>,
    most_of_one: usize,
    patience: Duration,
    told: Arc<AtomicBool>,
}

impl Default for Limit {
    fn default() -> Self {
        Self::new(CONCURRENT, PATIENCE)
    }
}

/// A place that a request holds until its answer begins.
struct Place {
    _permit: OwnedSemaphorePermit,
    peers: Arc<Mutex<HashMap<Peer, usize>>>,
    peer: Peer,
}

impl Limit {
    /// So many at once, at most half of them for one peer, each for so long.
    pub(super) fn new(concurrent: usize, patience: Duration) -> Self {
        let places = Arc::new(Semaphore::new(concurrent));
        Self {
            places,
            peers: Arc::default(),
            most_of_one: concurrent.div_ceil(2),
            patience,
            told: Arc::default(),
        }
    }

    /// A place for a request of `peer`; `None` when there is none, or when this peer holds its share.
    fn take(&self, peer: Peer) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let held = peers.entry(peer).or_default();
        if *held >= self.most_of_one {
            return None;
        }
        *held += 1;
        Some(Place { _permit: permit, peers: Arc::clone(&self.peers), peer })
    }

    /// Tells the log when overload begins, not at every refusal.
    fn tell(&self, overloaded: bool) {
        if overloaded && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("overloaded: requests are refused");
        } else if !overloaded {
            self.told.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = peers.get_mut(&self.peer) {
            *held -= 1;
            if *held == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

/// Gives the request a place until its answer begins. A stream that follows holds none.
pub(super) async fn limit(State(limit): State<Limit>, peer: Peer, request: Request, next: Next) -> Response {
    if WATCHED.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let place = limit.take(peer);
    limit.tell(place.is_none());
    let Some(_place) = place else { return Fault::Overloaded.into_response() };
    match timeout(limit.patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!("a request took too long and was given up");
            Fault::TimedOut.into_response()
        }
    }
}
