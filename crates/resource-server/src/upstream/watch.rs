//! Streams of changes from upstreams, open as long as somebody downstream listens: one a connection, however many listen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use portcullis_oauth::ConnectionId;
use portcullis_upstream::Subscription;
use tokio::task::AbortHandle;

use super::{Upstreams, who_lists};
use crate::connections::Connection;
use crate::sandbox::SERVER;

/// A stream that ended is opened again after so long; a server that offers none ends it at once.
const AGAIN: Duration = Duration::from_mins(1);

/// Keeps the stream of one connection open until the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Watch(
    #[expect(dead_code, reason = "it does its work when it is dropped")] Option<Arc<Open>>,
);

struct Open(AbortHandle);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Every stream that is open. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Watches(Arc<Mutex<HashMap<ConnectionId, Weak<Open>>>>);

impl Upstreams {
    /// Listens to the server of a connection. What it says reaches [`Upstreams::hear`].
    pub(crate) fn watch(&self, connection: &Connection) -> Watch {
        if connection.server == SERVER {
            return Watch(None);
        }
        let mut open = self.watches.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, stream| stream.strong_count() > 0);
        if let Some(stream) = open.get(&connection.id).and_then(Weak::upgrade) {
            return Watch(Some(stream));
        }
        let task = tokio::spawn(listen(self.clone(), connection.id.clone()));
        let stream = Arc::new(Open(task.abort_handle()));
        open.insert(connection.id.clone(), Arc::downgrade(&stream));
        Watch(Some(stream))
    }
}

async fn listen(upstreams: Upstreams, id: ConnectionId) {
    let everything = Subscription { tools: true, prompts: true, resources: true, uris: vec![] };
    loop {
        // Looked up each time: its credentials may be others by now, or it may be switched off.
        match upstreams.health.find(&id).await {
            Ok(None) => return,
            Ok(Some(connection)) if connection.status.is_in_use() => {
                upstreams.opened.note(&connection);
                if let Ok(reached) = upstreams.reach.endpoint(&connection, who_lists(&connection)).await
                    && let Ok(mut stream) =
                        Box::pin(upstreams.pool.listen(&reached.endpoint, &everything)).await
                {
                    stream.ended().await;
                }
            }
            Ok(Some(_)) => {}
            Err(error) => tracing::warn!(cause = ?error, "a connection to listen to could not be read"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
