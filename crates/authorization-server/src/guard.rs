//! Guessing made slow: failures are counted by whose secret was guessed and from where (OA21-2.4.1-4, ASVS-6.3.1).

use portcullis_limits::{Limiter, Quota, Verdict};
use portcullis_oauth::Timestamp;

/// How many names are watched at once.
const WATCHED: usize = 10_000;

/// Counts failures under a name and says how long to wait when there were too many.
#[derive(Debug)]
pub(crate) struct Guard {
    failures: Limiter,
}

impl Guard {
    /// Lets through as many failures at once, and then as many a minute, as `quota` says.
    pub(crate) fn new(quota: Quota) -> Self {
        Self { failures: Limiter::new(quota, WATCHED) }
    }

    /// The seconds to wait before `name` may try again; `None` when it may try now.
    pub(crate) fn wait(&self, name: &str, now: Timestamp) -> Option<u64> {
        match self.failures.peek(name, now) {
            Verdict::Allowed => None,
            Verdict::Refused { retry_after } => Some(u64::try_from(retry_after.0).unwrap_or(1).max(1)),
        }
    }

    /// Counts one failure.
    pub(crate) fn count_failure(&self, name: &str, now: Timestamp) {
        let _ = self.failures.check(name, now);
    }
}
