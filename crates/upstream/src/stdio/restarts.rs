//! How often a program is started: a child that ends again and again is not started for ever.

use std::collections::VecDeque;
use std::time::Duration;

use portcullis_oauth::{Seconds, Timestamp};

/// So many starts within so long.
const STARTS: usize = 5;
const WITHIN: Seconds = Seconds::minutes(1);

/// When the latest starts were.
#[derive(Debug, Default)]
pub(crate) struct Restarts(VecDeque<Timestamp>);

impl Restarts {
    /// Notes a start, or says how long to wait for the next one. The more starts there were, the longer is the wait between
    /// two: one second after the second, then two, four, eight.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Result<(), Duration> {
        while self.0.front().is_some_and(|start| start.plus(WITHIN) <= now) {
            self.0.pop_front();
        }
        let earliest = match (self.0.len(), self.0.front(), self.0.back()) {
            (STARTS.., Some(first), _) => first.plus(WITHIN),
            (starts @ 2.., _, Some(last)) => last.plus(Seconds(1 << (starts - 2))),
            _ => now,
        };
        if now < earliest {
            return Err(Duration::from_secs(u64::try_from(now.seconds_until(earliest)).unwrap_or_default()));
        }
        self.0.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T38
    #[test]
    fn starts_become_rarer_and_end_at_five_a_minute() {
        let mut restarts = Restarts::default();
        let mut admit = |second: i64| {
            restarts.admit(Timestamp::from_micros(second * 1_000_000)).map_err(|wait| wait.as_secs())
        };
        assert_eq!(admit(0), Ok(()));
        assert_eq!(admit(0), Ok(()), "a child that ended by itself is started again at once");
        assert_eq!(admit(0), Err(1));
        assert_eq!(admit(1), Ok(()));
        assert_eq!(admit(2), Err(1));
        assert_eq!(admit(3), Ok(()));
        assert_eq!(admit(7), Ok(()));
        assert_eq!(admit(20), Err(40));
        assert_eq!(admit(60), Ok(()));
    }
}
