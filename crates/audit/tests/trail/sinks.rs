//! What sinks are given: everything, in the order of its chain, whatever fails and whoever starts anew meanwhile.

use std::sync::{Arc, Mutex};

use portcullis_audit::{DailyFiles, Kept, Shipping, Sink, SinkError, SinkReach};
use portcullis_database::both_engines;
use portcullis_oauth::{BoxFuture, Seconds};
use tempfile::TempDir;

use crate::stage::{NOW, Stage, event_at};

/// Remembers what it took, and takes nothing while it is told to fail.
#[derive(Clone, Debug)]
struct Memory {
    reach: SinkReach,
    taken: Arc<Mutex<Vec<(String, i64)>>>,
    failing: Arc<Mutex<bool>>,
}

impl Memory {
    fn of(reach: SinkReach) -> Self {
        Self { reach, taken: Arc::default(), failing: Arc::default() }
    }

    fn places(&self) -> Vec<i64> {
        self.taken.lock().unwrap().iter().map(|(_, place)| *place).collect()
    }
}

impl Sink for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn reach(&self) -> SinkReach {
        self.reach
    }

    fn take<'a>(&'a self, records: &'a [Kept]) -> BoxFuture<'a, Result<(), SinkError>> {
        let result = if *self.failing.lock().unwrap() {
            Err(SinkError("it is told to".to_owned()))
        } else {
            let place = |record: &Kept| (record.node.clone().unwrap(), record.sequence.unwrap());
            self.taken.lock().unwrap().extend(records.iter().map(place));
            Ok(())
        };
        Box::pin(std::future::ready(result))
    }
}

both_engines! {
    /// T46: no event is lost to a sink that fails, nor by a new start
    async fn a_sink_that_fails_is_given_everything_later_and_nothing_twice(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        let memory = Memory::of(SinkReach::Own);
        let shipping = || Shipping::new(stage.database.clone(), Arc::new(memory.clone()));
        stage.record(250).await;
        assert_eq!(shipping().ship(NOW).await.unwrap(), 250);
        stage.record(3).await;
        *memory.failing.lock().unwrap() = true;
        let failed = shipping().ship(NOW).await.unwrap_err().to_string();
        assert_eq!(failed, "the sink memory did not take records: it is told to");
        stage.record(2).await;
        *memory.failing.lock().unwrap() = false;
        // As after a new start: nothing is remembered but what the database knows.
        assert_eq!(shipping().ship(NOW).await.unwrap(), 5);
        assert_eq!(shipping().ship(NOW).await.unwrap(), 0);
        assert_eq!(memory.places(), (1..=255).collect::<Vec<_>>());
    }

    async fn what_waits_for_its_place_is_given_once_it_has_one(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        let memory = Memory::of(SinkReach::Own);
        let shipping = Shipping::new(stage.database.clone(), Arc::new(memory.clone()));
        stage.record_within("one", "user_a").await;
        assert_eq!(shipping.ship(NOW).await.unwrap(), 0);
        stage.trail.seal(NOW).await.unwrap();
        assert_eq!(shipping.ship(NOW).await.unwrap(), 1);
        stage.record_within("one-cli", "user_b").await;
        stage.record_within("two", "user_c").await;
        stage.trail.seal(NOW.plus(Seconds::minutes(2))).await.unwrap();
        assert_eq!(shipping.ship(NOW).await.unwrap(), 1, "the command line's, and not another node's");
    }

    /// T46: two nodes never give the same sink at the same time, and one that has gone is followed by the other
    async fn nodes_take_turns_with_a_sink_that_they_share(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        let memory = Memory::of(SinkReach::All);
        let node = |name: &str| Shipping::new(stage.database.as_node(name), Arc::new(memory.clone()));
        stage.record(1).await;
        assert_eq!(node("one").ship(NOW).await.unwrap(), 1);
        stage.record(1).await;
        assert_eq!(node("two").ship(NOW.plus(Seconds(10))).await.unwrap(), 0, "it is the other's turn");
        assert_eq!(node("two").ship(NOW.plus(Seconds(31))).await.unwrap(), 1);
        stage.record(1).await;
        assert_eq!(node("one").ship(NOW.plus(Seconds(32))).await.unwrap(), 0);
        assert_eq!(node("two").ship(NOW.plus(Seconds(32))).await.unwrap(), 1);
        assert_eq!(memory.places(), [1, 2, 3]);
    }

    async fn events_are_in_the_file_of_their_day(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        let folder = TempDir::new().unwrap();
        let files = DailyFiles::new(folder.path().join("events"));
        let shipping = Shipping::new(stage.database.clone(), Arc::new(files));
        stage.record(2).await;
        stage.trail.record(event_at(NOW.plus(Seconds::days(1)), "user_late")).await.unwrap();
        assert_eq!(shipping.ship(NOW).await.unwrap(), 3);
        let read = |day: &str| {
            let path = folder.path().join(format!("events/audit-{day}.jsonl"));
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
            text.lines().map(line).map(|event| event["principal"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(read("2026-01-01"), ["user_0", "user_1"]);
        assert_eq!(read("2026-01-02"), ["user_late"]);
        shipping.sink().forget(NOW.plus(Seconds::days(1)));
        assert_eq!((read("2026-01-01").len(), read("2026-01-02").len()), (0, 1));
    }
}
