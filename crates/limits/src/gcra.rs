//! The generic cell rate algorithm: one timestamp a bucket, no timer, no refill task.

use portcullis_oauth::{Seconds, Timestamp};

/// So many at once, and so many in every such span of time afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    amount: i64,
    per: Seconds,
}

impl Quota {
    /// `amount` in a minute; at least one.
    #[must_use]
    pub const fn per_minute(amount: u32) -> Self {
        Self::per(amount, Seconds::minutes(1))
    }

    /// `amount` in a span; at least one, in at least a second.
    #[must_use]
    pub const fn per(amount: u32, span: Seconds) -> Self {
        let per = if span.0 < 1 { Seconds(1) } else { span };
        Self { amount: if amount == 0 { 1 } else { amount as i64 }, per }
    }

    /// The whole span, in microseconds.
    pub(crate) const fn span(self) -> i64 {
        self.per.0 * 1_000_000
    }

    /// What one costs, in microseconds.
    pub(crate) const fn interval(self) -> i64 {
        self.span() / self.amount
    }
}

/// What a bucket remembers: when it would be empty again if nothing more came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(Timestamp);

impl State {
    /// A bucket that nobody used yet.
    pub const UNUSED: Self = Self(Timestamp::from_micros(i64::MIN));

    /// As if the last request had not come.
    pub(crate) fn without_one(self, quota: Quota) -> Self {
        Self(Timestamp::from_micros(self.0.micros().saturating_sub(quota.interval())))
    }

    /// Whether the bucket is empty again, and thus like one that nobody used.
    #[must_use]
    pub fn is_idle(self, now: Timestamp) -> bool {
        self.0 <= now
    }
}

/// What the limit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allowed,
    /// Not now.
    Refused {
        /// After so many whole seconds it would be allowed; at least one.
        retry_after: Seconds,
    },
}

/// Decides one request at `now` and gives the bucket's next state. A refusal costs nothing, so a caller that waits as
/// long as it is told gets through.
#[must_use]
pub fn check(state: State, now: Timestamp, quota: Quota) -> (State, Verdict) {
    let now_micros = now.micros();
    // A clock that was set back must not lock anybody out for longer than one span.
    let emptied = state.0.micros().clamp(now_micros, now_micros.saturating_add(quota.span()));
    let next = emptied.saturating_add(quota.interval());
    let room_from = next.saturating_sub(quota.span());
    if room_from <= now_micros {
        (State(Timestamp::from_micros(next)), Verdict::Allowed)
    } else {
        let wait = now.seconds_until(Timestamp::from_micros(room_from));
        (State(Timestamp::from_micros(emptied)), Verdict::Refused { retry_after: Seconds(wait) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn sixty_pass_at_once_and_the_next_waits_a_second() {
        let (quota, mut state) = (Quota::per_minute(60), State::UNUSED);
        for _ in 0..60 {
            let (next, verdict) = check(state, START, quota);
            assert_eq!(verdict, Verdict::Allowed);
            state = next;
        }
        let (state, verdict) = check(state, START, quota);
        assert_eq!(verdict, Verdict::Refused { retry_after: Seconds(1) });
        assert_eq!(check(state, START.plus(Seconds(1)), quota).1, Verdict::Allowed);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_long() {
        let quota = Quota::per_minute(10);
        let (state, _) = check(State::UNUSED, START.plus(Seconds::days(1)), quota);
        let (_, verdict) = check(state, START, quota);
        assert_eq!(verdict, Verdict::Refused { retry_after: Seconds(6) });
    }

    proptest! {
        /// In any span that begins at any request, at most twice the amount passes: the burst and what flows back.
        #[test]
        fn no_more_pass_than_the_burst_and_the_flow(
            amount in 1_u32..100,
            gaps in prop::collection::vec(0_i64..5_000_000, 1..400),
        ) {
            let quota = Quota::per_minute(amount);
            let (mut state, mut now, mut allowed) = (State::UNUSED, START.micros(), 0_i64);
            for gap in gaps {
                now += gap;
                let (next, verdict) = check(state, Timestamp::from_micros(now), quota);
                state = next;
                allowed += i64::from(verdict == Verdict::Allowed);
            }
            let flowed = (now - START.micros()) / quota.interval();
            prop_assert!(allowed <= i64::from(amount) + flowed + 1);
        }

        /// Who waits as long as told gets through.
        #[test]
        fn waiting_as_told_helps(amount in 1_u32..100, used in 0_usize..200) {
            let (quota, mut state) = (Quota::per_minute(amount), State::UNUSED);
            for _ in 0..used {
                state = check(state, START, quota).0;
            }
            if let (state, Verdict::Refused { retry_after }) = check(state, START, quota) {
                prop_assert!((1..=60).contains(&retry_after.0));
                prop_assert_eq!(check(state, START.plus(retry_after), quota).1, Verdict::Allowed);
            }
        }
    }
}
