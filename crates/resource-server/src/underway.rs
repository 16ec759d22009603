//! Requests of sessions that are under way, so that `notifications/cancelled` finds them. Known to the node that works on
//! them; a cancellation that reaches another one comes too late, as the protocol allows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_oauth::SecretHash;
use tokio_util::sync::CancellationToken;

type Known = HashMap<(SecretHash, String), CancellationToken>;

/// What is under way. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Underway(Arc<Mutex<Known>>);

/// One request that is under way, until it is dropped.
pub(crate) struct Entry(Underway, (SecretHash, String));

impl Underway {
    /// Notes a request of a session by its id, as JSON.
    pub(crate) fn begin(&self, session: &SecretHash, id: &str, cancelled: CancellationToken) -> Entry {
        let key = (session.clone(), id.to_owned());
        self.known().insert(key.clone(), cancelled);
        Entry(self.clone(), key)
    }

    /// Cancels one, if it is this session's.
    pub(crate) fn cancel(&self, session: &SecretHash, id: &str) {
        if let Some(cancelled) = self.known().get(&(session.clone(), id.to_owned())) {
            cancelled.cancel();
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.known().remove(&self.1);
    }
}
