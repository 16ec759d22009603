//! The single resources of which one stream tells.

use std::sync::Arc;

use portcullis_audit::trace;
use portcullis_oauth::ConnectionId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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
    /// Watches what a request asks for, as far as it may be watched; each is judged by itself, and noted.
    pub(super) async fn begin(caller: &Caller, case: &Case, uris: &[String]) -> Self {
        let (mut asked, places) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
        for (at, uri) in uris.iter().cloned().enumerate() {
            let (caller, case, places) = (caller.clone(), case.clone(), Arc::clone(&places));
            let asking = async move {
                let _place = places.acquire().await;
                (at, subscribe::for_stream(&caller, case, &uri).await, uri)
            };
            asked.spawn(trace::carry(asking));
        }
        let mut all = asked.join_all().await;
        all.sort_by_key(|(at, ..)| *at);
        let watched = all.into_iter().filter_map(|(_, eye, uri)| {
            let eye = eye?;
            Some(Followed { uri, connection: eye.connection().clone(), eye: Some(eye) })
        });
        Self(watched.collect())
    }

    /// Watches what a session watches by now.
    pub(super) async fn become_those(&mut self, caller: &Caller, case: &Case, now: Vec<Subscription>) {
        let is = |followed: &Followed, one: &Subscription| {
            followed.uri == one.uri && followed.connection == one.connection_id
        };
        self.0.retain(|followed| now.iter().any(|one| is(followed, one)));
        for Subscription { uri, connection_id: connection } in now {
            if !self.0.iter().any(|followed| followed.uri == uri) {
                self.0.push(Followed { uri, connection, eye: None });
            }
        }
        self.try_again(caller, case).await;
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
