//! Requests that are held because a call waits for a person: how many at once, of one user and in total.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_oauth::PrincipalId;

/// So many requests of one user are held at once.
const PER_USER: usize = 5;
/// So many are held on one node.
const IN_ALL: usize = 1_000;

/// The requests that are held.
#[derive(Default)]
pub(crate) struct Waits {
    held: Arc<Mutex<HashMap<PrincipalId, usize>>>,
}

/// The place of one request that is held, until it is dropped.
pub(crate) struct Place {
    held: Arc<Mutex<HashMap<PrincipalId, usize>>>,
    who: PrincipalId,
}

impl Waits {
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
        let waits = Waits::default();
        let (alice, bob) =
            (PrincipalId::generate(PrincipalKind::User), PrincipalId::generate(PrincipalKind::User));
        let mut places: Vec<_> = (0..PER_USER).map(|_| waits.take(&alice).unwrap()).collect();
        assert!(waits.take(&alice).is_none());
        assert!(waits.take(&bob).is_some());
        places.pop();
        assert!(waits.take(&alice).is_some());
    }
}
