//! What cannot be recorded does not happen: a disk that is full, and a database that lost its events.

use portcullis_audit::{Anchors, Trail};
use portcullis_database::testing::sqlite;
use portcullis_database::{both_engines, on};
use portcullis_upstream_fixture::Upstream;
use serde_json::json;

use crate::draft::call;
use crate::stage::{ALL, Stage};

async fn change(stage: &Stage, sql: &'static str) {
    on!(stage.database.write(), |pool| sqlx::query(sql).execute(pool).await.map(drop)).unwrap();
}

both_engines! {
    /// T46: no upstream hears of a call whose beginning could not be recorded; once events can be kept again, calls go on
    async fn a_call_that_cannot_be_recorded_does_not_happen(database: TestDatabase) {
        let stage = Stage::set(database).await;
        let upstream = Upstream::start().await;
        stage.connect("demo", &upstream.url("/mcp")).await;
        let token = stage.token(ALL);
        assert!(!call(&stage, &token, "demo__test_simple_text", json!({})).await.tool().1);
        let heard = upstream.seen_of("tools/call").len();

        change(&stage, "ALTER TABLE audit_event RENAME TO lost").await;
        let refused = call(&stage, &token, "demo__test_simple_text", json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "5"), "{}", refused.body);
        assert_eq!(upstream.seen_of("tools/call").len(), heard, "it was told to nobody");

        change(&stage, "ALTER TABLE lost RENAME TO audit_event").await;
        assert!(!call(&stage, &token, "demo__test_simple_text", json!({})).await.tool().1);
        assert_eq!(upstream.seen_of("tools/call").len(), heard + 1);
        let found = Trail::new(stage.database.clone()).verify(&Anchors::default()).await.unwrap();
        assert!(found.is_good(), "{found:?}");
    }
}

/// T46: the same with a disk that is full, as far as `SQLite` can tell
#[tokio::test]
async fn a_full_disk_refuses_calls_until_there_is_room() {
    let stage = Stage::set(sqlite().await).await;
    let upstream = Upstream::start().await;
    stage.connect("demo", &upstream.url("/mcp")).await;
    let token = stage.token(ALL);
    let long = json!({"message": "x".repeat(400)});
    assert_eq!(call(&stage, &token, "demo__echo", json!({"message": "x"})).await.status, 200);
    change(&stage, "PRAGMA max_page_count = 1").await;
    let mut refused = false;
    for _ in 0..9 {
        let heard = upstream.seen_of("tools/call").len();
        let answer = call(&stage, &token, "demo__echo", long.clone()).await;
        let now = upstream.seen_of("tools/call").len();
        refused = answer.status == 503;
        assert_eq!(now, if refused { heard } else { heard + 1 }, "{}", answer.body);
        if refused {
            break;
        }
    }
    assert!(refused, "the pages that were there took every event");
    change(&stage, "PRAGMA max_page_count = 1000000").await;
    stage.clock.advance(portcullis_resource_server::oauth::Seconds(120));
    assert_eq!(call(&stage, &token, "demo__echo", json!({"message": "x"})).await.status, 200);
}
