//! Requests that are held because a call waits for a person: how long, and how many at once, of one user and in total.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_oauth::PrincipalId;

/// So many requests of one user are held at once.
const PER_USER: usize = 5;
/// So many are held on one node.
const IN_ALL: usize = 1_000;

/// How long a request is held that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// One leg of a call of the stateless era: nine of them span the life of an approval, and each is shorter than what
    /// clients and proxies wait for.
    pub leg: Duration,
    /// A call of a session, whose client was asked in the middle of it.
    pub question: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { leg: Duration::from_secs(34), question: Duration::from_secs(45) }
    }
}

/// The requests that are held.
pub(crate) struct Waits {
    pub(crate) patience: Patience,
    held: Arc<Mutex<HashMap<PrincipalId, usize>>>,
}

/// The place of one request that is held, until it is dropped.
pub(crate) struct Place {
    held: Arc<Mutex<HashMap<PrincipalId, usize>>>,
    who: PrincipalId,
}

impl Waits {
    /// Held for so long.
    pub(crate) fn of(patience: Patience) -> Self {
        Self { patience, held: Arc::default() }
    }

    /// A place for a request of this user; `None` when they, or all together, hold as many as they may.
    pub(crate) fn take(&self, who: &PrincipalId) -> Option<Place> {
        let mut held = lock(&self.held);
        if held.values().sum::<usize>() >= IN_ALL || held.get(who).is_some_and(|count| *count >= PER_USER) {
            return None;
        }
        *held.entry(who.clone()).or_default() += 1;
        Some(Place { held: Arc::clone(&self.held), who: who.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.who);
            }
        }
    }
}

fn lock(held: &Mutex<HashMap<PrincipalId, usize>>) -> MutexGuard<'_, HashMap<PrincipalId, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::PrincipalKind;

    use super::*;

    /// T44: what one user holds is bounded, takes nothing from others, and is given back
    #[test]
    fn a_user_holds_five_requests_and_gets_their_places_back() {
        let waits = Waits::of(Patience::default());
        let (alice, bob) =
            (PrincipalId::generate(PrincipalKind::User), PrincipalId::generate(PrincipalKind::User));
        let mut places: Vec<_> = (0..PER_USER).map(|_| waits.take(&alice).unwrap()).collect();
        assert!(waits.take(&alice).is_none());
        assert!(waits.take(&bob).is_some());
        places.pop();
        assert!(waits.take(&alice).is_some());
    }
}
