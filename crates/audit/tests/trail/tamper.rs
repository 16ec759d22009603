//! What is seen of tampering, and where it is seen: the first bad record is named.

use portcullis_database::both_engines;
use portcullis_oauth::Seconds;

use crate::stage::{NOW, Stage, event, faults};

both_engines! {
    /// T47: an edit, whatever it is of
    async fn a_changed_record_is_named(database: TestDatabase) {
        for change in [
            "UPDATE audit_event SET outcome = 'refused' WHERE sequence = 3",
            "UPDATE audit_event SET at = at + 1 WHERE sequence = 3",
            "UPDATE audit_event SET reason = 'policy' WHERE sequence = 3",
            "UPDATE audit_event SET principal_id = 'user_x' WHERE sequence = 3",
            "UPDATE audit_event SET email = NULL WHERE sequence = 3",
            "UPDATE audit_event SET detail = '{}' WHERE sequence = 3",
            "UPDATE audit_event SET duration_us = 1 WHERE sequence = 3",
            "UPDATE audit_event SET salt = '' WHERE sequence = 3",
            "UPDATE audit_event SET payload_hash = 'x' WHERE sequence = 3",
            "UPDATE audit_event SET hash = 'x' WHERE sequence = 3",
            "UPDATE audit_event SET id = 'evt_x' WHERE sequence = 3",
        ] {
            let stage = Stage::on(&database.database);
            stage.record(5).await;
            stage.tamper(change).await;
            assert_eq!(faults(&stage.verify().await), ["one: record 3 is not what it was"], "{change}");
            stage.tamper("DELETE FROM audit_event").await;
        }
    }

    /// T47: a removed record, and one that was taken out of the chain
    async fn a_removed_record_is_named(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(6).await;
        stage.tamper("UPDATE audit_event SET sequence = NULL WHERE sequence = 4").await;
        assert_eq!(faults(&stage.verify().await), ["one: record 4 is missing"]);
        stage.tamper("DELETE FROM audit_event WHERE sequence IN (2, 3)").await;
        assert_eq!(faults(&stage.verify().await), ["one: records 2 to 4 are missing"]);
        stage.tamper("DELETE FROM audit_event WHERE sequence = 1").await;
        assert_eq!(faults(&stage.verify().await), ["one: records 1 to 4 are missing"]);
    }

    /// T47: two records that changed places
    async fn a_swap_is_named(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(6).await;
        stage.tamper("UPDATE audit_event SET sequence = 99 WHERE sequence = 2").await;
        stage.tamper("UPDATE audit_event SET sequence = 2 WHERE sequence = 5").await;
        stage.tamper("UPDATE audit_event SET sequence = 5 WHERE sequence = 99").await;
        assert_eq!(faults(&stage.verify().await), ["one: record 2 is not what it was"]);
    }

    /// T47: a tail cannot be seen from inside; the process that wrote it and the checkpoints know
    async fn a_cut_tail_is_seen_by_its_writer_and_given_the_checkpoints(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(6).await;
        stage.trail.checkpoint(NOW).await.unwrap();
        stage.tamper("DELETE FROM audit_event WHERE sequence > 4").await;
        assert!(stage.verify().await.is_good(), "from inside it looks whole");
        assert_eq!(faults(&stage.verify_anchored().await), ["one: records 5 to 6 are missing"]);
        stage.record(1).await;
        assert_eq!(faults(&stage.verify().await), ["one: records 5 to 6 are missing"]);
    }

    /// T47: a tail that grew again after a new start is another one
    async fn a_tail_that_was_written_anew_is_seen_given_the_checkpoints(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(3).await;
        stage.trail.checkpoint(NOW).await.unwrap();
        stage.record(3).await;
        stage.trail.checkpoint(NOW.plus(Seconds(60))).await.unwrap();
        stage.tamper("DELETE FROM audit_event WHERE sequence > 4").await;
        let anew = stage.again();
        for _ in 0..5 {
            anew.record(event("user_x")).await.unwrap();
        }
        assert!(stage.verify().await.is_good());
        assert_eq!(
            faults(&stage.verify_anchored().await),
            ["one: record 6 is not the one that a checkpoint saw: the records after 3 were written anew"]
        );
    }

    /// T47: a whole chain that was deleted
    async fn a_chain_that_is_gone_is_seen_given_the_checkpoints(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(2).await;
        stage.trail.checkpoint(NOW).await.unwrap();
        assert_eq!(stage.verify_anchored().await.chains[0].anchors, 1);
        stage.tamper("DELETE FROM audit_event").await;
        assert_eq!(faults(&stage.verify_anchored().await), ["one: records 1 to 2 are missing"]);
    }
}
