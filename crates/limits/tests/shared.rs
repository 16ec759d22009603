//! Stories about buckets that several nodes share, told on both engines.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on falls over")]

use portcullis_database::both_engines;
use portcullis_limits::{Quota, SharedBuckets, State, Verdict, check};
use portcullis_oauth::{Seconds, Timestamp};
use tokio::task::JoinSet;

const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

both_engines! {
    /// TOOL-10: in SQL and in memory the same function decides, to the second
    async fn the_database_decides_as_memory_does(database: TestDatabase) {
        let buckets = SharedBuckets::new(&database.database);
        for (name, quota) in [("ten", Quota::per_minute(10)), ("seven", Quota::per(7, Seconds(13)))] {
            let (mut state, mut now) = (State::UNUSED, START.micros());
            for step in 0_i64..120 {
                now += [0, 0, 100_000, 7_000_000, 0, 1, -90_000_000, 400_000, 0, 3_000_000][usize::try_from(step % 10).unwrap()];
                let at = Timestamp::from_micros(now);
                let (next, expected) = check(state, at, quota);
                state = next;
                assert_eq!(buckets.check(name, quota, at).await.unwrap(), expected, "{name}, step {step}");
            }
        }
    }

    /// However many nodes ask at once, no more pass than may, and keys do not share
    async fn nodes_count_together(database: TestDatabase) {
        let quota = Quota::per_minute(10);
        let mut asking = JoinSet::new();
        for _ in 0..4 {
            let node = SharedBuckets::new(&database.database);
            asking.spawn(async move {
                let mut allowed = 0;
                for _ in 0..10 {
                    allowed += usize::from(node.check("u", quota, START).await.unwrap() == Verdict::Allowed);
                }
                allowed
            });
        }
        let mut allowed = 0;
        while let Some(count) = asking.join_next().await {
            allowed += count.unwrap();
        }
        assert_eq!(allowed, 10);
        let node = SharedBuckets::new(&database.database);
        assert_eq!(node.check("other", quota, START).await.unwrap(), Verdict::Allowed);
        assert_eq!(node.check("u", quota, START).await.unwrap(), Verdict::Refused { retry_after: Seconds(6) });
        node.sweep(START).await.unwrap();
        assert!(node.check("u", quota, START).await.unwrap() != Verdict::Allowed, "one that is in use stays");
        node.sweep(START.plus(Seconds(61))).await.unwrap();
        assert_eq!(node.check("u", quota, START).await.unwrap(), Verdict::Allowed, "one that is empty goes");
    }
}
