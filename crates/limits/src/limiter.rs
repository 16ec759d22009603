//! Buckets in memory, bounded: what one node needs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_oauth::Timestamp;

use crate::{Quota, State, Verdict, check};

/// A table of buckets by key. It never holds more than `capacity`: idle buckets go first, then the ones nearest to it.
#[derive(Debug)]
pub struct Limiter {
    quota: Quota,
    capacity: usize,
    buckets: Mutex<HashMap<String, State>>,
}

impl Limiter {
    /// A table in which each key has `quota`.
    #[must_use]
    pub fn new(quota: Quota, capacity: usize) -> Self {
        Self { quota, capacity: capacity.max(1), buckets: Mutex::default() }
    }

    /// Decides one request of `key` at `now`.
    pub fn check(&self, key: &str, now: Timestamp) -> Verdict {
        self.check_with(key, self.quota, now)
    }

    /// The same for a key with a quota of its own.
    pub fn check_with(&self, key: &str, quota: Quota, now: Timestamp) -> Verdict {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = buckets.get_mut(key) {
            let (next, verdict) = check(*state, now, quota);
            *state = next;
            return verdict;
        }
        if buckets.len() >= self.capacity {
            make_room(&mut buckets, now, self.capacity);
        }
        let (state, verdict) = check(State::UNUSED, now, quota);
        buckets.insert(key.to_owned(), state);
        verdict
    }

    /// Takes back one request of `key` that was allowed and turned out not to count; what was counted before it stays.
    pub fn take_back(&self, key: &str) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = buckets.get_mut(key) {
            *state = state.without_one(self.quota);
        }
    }

    /// Empties the bucket of `key`: what was counted is forgiven.
    pub fn forget(&self, key: &str) {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Drops what is idle; when nothing is, the bucket that would be so first.
fn make_room(buckets: &mut HashMap<String, State>, now: Timestamp, capacity: usize) {
    buckets.retain(|_, state| !state.is_idle(now));
    if buckets.len() >= capacity
        && let Some(first) = buckets.iter().min_by_key(|(_, state)| **state).map(|(key, _)| key.clone())
    {
        buckets.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::Seconds;

    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn keys_do_not_share_a_bucket() {
        let limiter = Limiter::new(Quota::per_minute(1), 10);
        assert_eq!(limiter.check("a", START), Verdict::Allowed);
        assert_eq!(limiter.check("a", START), Verdict::Refused { retry_after: Seconds(60) });
        assert_eq!(limiter.check("b", START), Verdict::Allowed);
    }

    #[test]
    fn what_is_taken_back_leaves_what_was_counted_before() {
        let limiter = Limiter::new(Quota::per_minute(2), 10);
        for _ in 0..5 {
            assert_eq!(limiter.check("a", START), Verdict::Allowed);
            limiter.take_back("a");
        }
        assert_eq!(limiter.check("a", START), Verdict::Allowed);
        assert_eq!(limiter.check("a", START), Verdict::Allowed);
        limiter.take_back("a");
        limiter.take_back("unknown");
        assert_eq!(limiter.check("a", START), Verdict::Allowed);
        assert!(matches!(limiter.check("a", START), Verdict::Refused { .. }));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_idle_buckets_first() {
        let limiter = Limiter::new(Quota::per_minute(1), 2);
        let later = START.plus(Seconds(61));
        let _ = limiter.check("idle", START);
        let _ = limiter.check("busy", later);
        let _ = limiter.check("third", later);
        assert_eq!(limiter.buckets.lock().unwrap().len(), 2);
        assert!(matches!(limiter.check("busy", later), Verdict::Refused { .. }));
        let _ = limiter.check("fourth", later);
        assert_eq!(limiter.buckets.lock().unwrap().len(), 2);
    }
}
