//! Places for what is held open for long: how many at once, of one user and on one node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_oauth::PrincipalId;

/// Places of one sort.
pub(crate) struct Places {
    of_one: usize,
    in_all: usize,
    taken: Taken,
}

type Taken = Arc<Mutex<HashMap<PrincipalId, usize>>>;

/// One place, until it is dropped.
pub(crate) struct Place {
    taken: Taken,
    who: PrincipalId,
}

impl Places {
    /// So many of one user, and so many in all.
    pub(crate) fn new(of_one: usize, in_all: usize) -> Self {
        Self { of_one, in_all, taken: Taken::default() }
    }

    /// A place for this user; `None` when they, or all together, have as many as they may.
    pub(crate) fn take(&self, who: &PrincipalId) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let is_full = taken.values().sum::<usize>() >= self.in_all;
        if is_full || taken.get(who).is_some_and(|count| *count >= self.of_one) {
            return None;
        }
        *taken.entry(who.clone()).or_default() += 1;
        Some(Place { taken: Arc::clone(&self.taken), who: who.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, HashMap<PrincipalId, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::PrincipalKind;

    use super::*;

    /// T24, T44: what one user holds is bounded, takes nothing from others, and is given back
    #[test]
    fn a_user_holds_so_many_places_and_gets_them_back() {
        let places = Places::new(5, 7);
        let (alice, bob) =
            (PrincipalId::generate(PrincipalKind::User), PrincipalId::generate(PrincipalKind::User));
        let mut held: Vec<_> = (0..5).map(|_| places.take(&alice).unwrap()).collect();
        assert!(places.take(&alice).is_none());
        let bobs = (places.take(&bob).unwrap(), places.take(&bob).unwrap());
        assert!(places.take(&bob).is_none(), "there are seven in all");
        held.pop();
        assert!(places.take(&alice).is_some());
        drop(bobs);
    }
}
