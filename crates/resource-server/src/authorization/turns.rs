//! One at a time for each connection, on this node: of fifty calls that find the same token ended, one asks for another and
//! forty-nine find it there. Across nodes that is the lease's work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_oauth::ConnectionId;
use tokio::sync::OwnedMutexGuard;

type Queue = Arc<tokio::sync::Mutex<()>>;

/// The queues, of which only those exist in which somebody stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<ConnectionId, Queue>>>);

/// It is somebody's turn until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    connection: ConnectionId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub(super) async fn take(&self, connection: &ConnectionId) -> Turn {
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(queues.entry(connection.clone()).or_default())
        };
        // Made before the wait: whoever gives up waiting must clear up too.
        let mut turn = Turn { turns: self.clone(), connection: connection.clone(), guard: None };
        turn.guard = Some(queue.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut queues = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can join while the map is held, so a queue that only the map knows is empty.
        if queues.get(&self.connection).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn queues_are_of_one_connection_and_vanish() {
        let (turns, one, other) = (Turns::default(), ConnectionId::generate(), ConnectionId::generate());
        let first = turns.take(&one).await;
        drop(turns.take(&other).await);
        let waiting = tokio::spawn({
            let (turns, one) = (turns.clone(), one.clone());
            async move { drop(turns.take(&one).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
