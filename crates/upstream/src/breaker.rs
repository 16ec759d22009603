//! The circuit breaker: a server that failed several times in a row is left alone for a while; then one request tries.

use std::time::Duration;

use portcullis_oauth::{Seconds, Timestamp};

/// How often in a row, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// So many failures in a row open it.
    pub(crate) failures: u32,
    /// So long nobody is let through.
    pub(crate) rest: Seconds,
}

/// What is known of one server's health.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Until when nobody is let through; afterwards one is, and its outcome decides.
    until: Option<Timestamp>,
}

impl Breaker {
    /// Lets a request through, or says how long to wait. Once the rest is over the first to come is the one that tries,
    /// and the rest begins anew for everybody else.
    pub(crate) fn admit(&mut self, limits: Limits, now: Timestamp) -> Result<(), Duration> {
        match self.until {
            Some(until) if now < until => Err(wait(now, until)),
            Some(_) => {
                self.until = Some(now.plus(limits.rest));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes how a request ended.
    pub(crate) fn note(&mut self, is_ill: bool, limits: Limits, now: Timestamp) {
        if !is_ill {
            *self = Self::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= limits.failures {
            self.until = Some(now.plus(limits.rest));
        }
    }
}

fn wait(now: Timestamp, until: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(now.seconds_until(until)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { failures: 3, rest: Seconds(30) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// T24
    #[test]
    fn three_failures_open_it_and_one_request_tries_again() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            assert_eq!(breaker.admit(LIMITS, at(0)), Ok(()));
            breaker.note(true, LIMITS, at(0));
        }
        assert_eq!(breaker.admit(LIMITS, at(10)), Err(Duration::from_secs(20)));
        assert_eq!(breaker.admit(LIMITS, at(30)), Ok(()), "the one that tries");
        assert_eq!(breaker.admit(LIMITS, at(30)), Err(Duration::from_secs(30)), "nobody else meanwhile");
        breaker.note(true, LIMITS, at(31));
        assert_eq!(breaker.admit(LIMITS, at(60)), Err(Duration::from_secs(1)));
        assert_eq!(breaker.admit(LIMITS, at(61)), Ok(()));
        breaker.note(false, LIMITS, at(61));
        assert_eq!(breaker.admit(LIMITS, at(61)), Ok(()), "closed");
    }

    #[test]
    fn failures_between_successes_do_not_add_up() {
        let mut breaker = Breaker::default();
        for _ in 0..9 {
            breaker.note(true, LIMITS, at(0));
            breaker.note(true, LIMITS, at(0));
            breaker.note(false, LIMITS, at(0));
        }
        assert_eq!(breaker.admit(LIMITS, at(0)), Ok(()));
    }
}
