//! Guessing made slow: tries are counted by whose secret is guessed and from where (OA21-2.4.1-4, ASVS-6.3.1).

use portcullis_limits::{Limiter, Quota, Verdict};
use portcullis_oauth::{ClientId, Error, Secret, Timestamp};
use portcullis_web::Peer;

/// How many names are watched at once.
const WATCHED: usize = 10_000;

/// Counts tries under a name and says how long to wait when there were too many.
#[derive(Debug)]
pub(crate) struct Guard {
    tries: Limiter,
}

impl Guard {
    /// Lets through as many tries at once, and then as many a minute, as `quota` says.
    pub(crate) fn new(quota: Quota) -> Self {
        Self { tries: Limiter::new(quota, WATCHED) }
    }

    /// Counts a try before it is judged, so that parallel ones do not pass together.
    ///
    /// # Errors
    /// The seconds to wait before the next try.
    pub(crate) fn admit(&self, name: &str, now: Timestamp) -> Result<(), u64> {
        match self.tries.check(&key(name), now) {
            Verdict::Allowed => Ok(()),
            Verdict::Refused { retry_after } => Err(u64::try_from(retry_after.0).unwrap_or(1).max(1)),
        }
    }

    /// Takes back one try that was right; the wrong ones before it stay counted.
    pub(crate) fn take_back(&self, name: &str) {
        self.tries.take_back(&key(name));
    }
}

/// How often one client may ask: from one address, and from all of them. Never counted by address alone, since hosted clients
/// share a few.
#[derive(Debug)]
pub(crate) struct Share {
    here: Guard,
    everywhere: Guard,
}

impl Share {
    pub(crate) fn new(here: Quota, everywhere: Quota) -> Self {
        Self { here: Guard::new(here), everywhere: Guard::new(everywhere) }
    }

    /// Counts one request of `client` from `peer`.
    ///
    /// # Errors
    /// The refusal that tells it to wait, HTTP 429.
    pub(crate) fn admit(&self, client: &ClientId, peer: Peer, now: Timestamp) -> Result<(), Error> {
        let here = self.here.admit(&format!("{peer} {client}"), now);
        let both = here.and_then(|()| self.everywhere.admit(client.as_str(), now));
        both.map_err(Error::too_many_requests)
    }
}

/// A stranger chose the name, so its length must not be the table's.
fn key(name: &str) -> String {
    Secret::presented(name).hash().as_str().to_owned()
}
