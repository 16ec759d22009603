//! The single resources of which one stream tells.

use std::sync::Arc;

use portcullis_audit::trace;
use portcullis_oauth::ConnectionId;
use tokio::sync::Semaphore;

use crate::pipeline::case::Case;
use crate::pipeline::{Caller, subscribe};
use crate::session::subscriptions::Subscription;
use crate::upstream::Eye;

/// Of the resources that one stream asks for so many are looked at at once: others want to be served, too.
const AT_ONCE: usize = 16;

/// What one stream watches.
#[derive(Default)]
pub(super) struct Following(Vec<Followed>);

struct Followed {
    /// The name that the client knows.
    uri: String,
    /// The connection that it leads to; nothing is told where it leads to another by now.
    connection: ConnectionId,
    /// Nothing while it may not be watched, or cannot be.
    eye: Option<Eye>,
}

impl Following {
    /// Watches what a request asks for, as far as it may be watched; each is judged by itself, and noted, whether or not its
    /// client waits for it.
    pub(super) async fn begin(caller: &Caller, case: &Case, uris: &[String]) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let ask = |uri: String| {
            let (caller, case, places) = (caller.clone(), case.clone(), Arc::clone(&places));
            let tasks = caller.gateway.tasks.clone();
            tasks.spawn(trace::carry(async move {
                let _place = places.acquire().await;
                let eye = subscribe::for_stream(&caller, case, &uri).await?;
                Some(Followed { uri, connection: eye.connection().clone(), eye: Some(eye) })
            }))
        };
        // All of them first, so that they are asked side by side.
        let asked: Vec<_> = uris.iter().cloned().map(ask).collect();
        let mut watched = Vec::with_capacity(asked.len());
        for asked in asked {
            watched.extend(asked.await.ok().flatten());
        }
        Self(watched)
    }

    /// What a session watches by now; what is new of it is not watched yet.
    pub(super) fn become_those(&mut self, now: Vec<Subscription>) {
        let is = |followed: &Followed, one: &Subscription| {
            followed.uri == one.uri && followed.connection == one.connection_id
        };
        self.0.retain(|followed| now.iter().any(|one| is(followed, one)));
        for Subscription { uri, connection_id: connection } in now {
            if !self.0.iter().any(|followed| followed.uri == uri) {
                self.0.push(Followed { uri, connection, eye: None });
            }
        }
    }

    /// Watches what could not be watched before.
    pub(super) async fn try_again(&mut self, caller: &Caller, case: &Case) {
        for followed in self.0.iter_mut().filter(|followed| followed.eye.is_none()) {
            if let Some((connection, permitted)) = subscribe::still(caller, case, &followed.uri).await
                && connection == followed.connection
            {
                followed.eye = caller.gateway.upstreams.resubscribe(permitted);
            }
        }
    }

    /// The names that the client knows.
    pub(super) fn uris(&self) -> Vec<&str> {
        self.0.iter().map(|followed| followed.uri.as_str()).collect()
    }

    /// The name that the client knows of what an upstream says has changed, if it is watched.
    pub(super) fn name_of(&self, connection: &ConnectionId, own: &str) -> Option<String> {
        self.0.iter().find_map(|Followed { uri, eye, .. }| {
            let part = eye.as_ref()?.part(connection, own)?;
            Some(format!("{uri}{part}"))
        })
    }

    /// Everything that is watched, by its connection.
    pub(super) fn all(&self) -> Vec<(ConnectionId, String)> {
        let watched = self.0.iter().filter(|followed| followed.eye.is_some());
        watched.map(|followed| (followed.connection.clone(), followed.uri.clone())).collect()
    }
}
