//! What retention and erasure leave: a chain that verifies, and nothing that looks like them.

use portcullis_audit::{Action, Event, Outcome, erase_in};
use portcullis_database::both_engines;
use portcullis_oauth::{PrincipalId, Seconds};

use crate::stage::{NOW, Stage, event_at, faults};

both_engines! {
    /// T47: what is older than it is kept goes, and the rest verifies behind a signed note
    async fn retention_leaves_a_chain_that_verifies(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(700).await;
        stage.trail.checkpoint(NOW).await.unwrap();
        let later = NOW.plus(Seconds::days(29));
        for _ in 0..3 {
            stage.trail.record(event_at(later, "user_late")).await.unwrap();
        }
        stage.trail.sweep(later).await.unwrap();
        assert_eq!(stage.count("SELECT COUNT(*) FROM audit_event").await, 703, "none is 30 days old");
        stage.trail.sweep(NOW.plus(Seconds::days(31))).await.unwrap();
        let found = stage.verify_anchored().await;
        let chain = &found.chains[0];
        assert_eq!((chain.base, chain.records, chain.last), (700, 3, 703));
        assert!(found.is_good(), "{found:?}");

        stage.trail.sweep(later.plus(Seconds::days(31))).await.unwrap();
        assert_eq!(stage.count("SELECT COUNT(*) FROM audit_event").await, 0);
        stage.again().record(event_at(later, "user_next")).await.unwrap();
        let found = stage.verify_anchored().await;
        assert!(found.is_good() && found.chains[0].last == 704, "{found:?}");
    }

    /// T47: not even with the signature of a checkpoint
    async fn deleting_by_hand_is_not_retention(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(5).await;
        stage.tamper("INSERT INTO audit_base (node, sequence, hash, at, signature) \
            SELECT node, sequence, hash, at, 'ours' FROM audit_event WHERE sequence = 3").await;
        stage.tamper("DELETE FROM audit_event WHERE sequence <= 3").await;
        let unsigned = ["one: the records up to 3 are missing, and it was not this server's retention that deleted them"];
        assert_eq!(faults(&stage.verify().await), unsigned);

        stage.trail.checkpoint(NOW).await.unwrap();
        let stolen = stage.anchors();
        let stolen = serde_json::to_value(stolen.iter().next().unwrap()).unwrap();
        portcullis_database::on!(stage.database.write(), |pool| {
            sqlx::query("UPDATE audit_base SET sequence = $1, hash = $2, signature = $3")
                .bind(stolen["sequence"].as_i64())
                .bind(stolen["hash"].as_str())
                .bind(stolen["signature"].as_str())
                .execute(pool)
                .await
                .map(drop)
        })
        .unwrap();
        assert!(!stage.verify().await.is_good());
    }

    /// A clock that was wrong for a while does not keep records for ever.
    async fn a_record_from_the_future_goes_with_its_neighbours(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(2).await;
        stage.trail.record(event_at(NOW.plus(Seconds::days(9_000)), "user_a")).await.unwrap();
        stage.record(1).await;
        stage.trail.sweep(NOW.plus(Seconds::days(31))).await.unwrap();
        assert_eq!(stage.count("SELECT COUNT(*) FROM audit_event").await, 0);
    }

    async fn erasing_a_persons_data_leaves_a_chain_that_verifies(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(4).await;
        let (admin, ada) = (PrincipalId::from("user_admin".to_owned()), PrincipalId::from("user_2".to_owned()));
        let mut transaction = stage.database.begin().await.unwrap();
        let event = Event::new(NOW, Action::AuditErasure, Outcome::Done).by(&admin);
        assert_eq!(erase_in(&mut transaction, &ada, event).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        stage.trail.seal(NOW).await.unwrap();
        assert_eq!(stage.count("SELECT COUNT(*) FROM audit_event WHERE principal_id = 'user_2'").await, 0);
        let found = stage.verify().await;
        assert!(found.is_good() && found.chains[0].erased == 1 && found.chains[0].records == 5, "{found:?}");
    }

    /// T47: nobody hides a record by calling it erased
    async fn emptying_a_record_by_hand_is_no_erasure(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(4).await;
        let nobody = PrincipalId::from("user_nobody".to_owned());
        let mut transaction = stage.database.begin().await.unwrap();
        let event = Event::new(NOW, Action::AuditErasure, Outcome::Done);
        erase_in(&mut transaction, &nobody, event).await.unwrap();
        transaction.commit().await.unwrap();
        stage.trail.seal(NOW).await.unwrap();
        stage.tamper("UPDATE audit_event SET principal_id = NULL, tool = NULL, detail = NULL, email = NULL, salt = NULL, \
            erased_by = (SELECT id FROM audit_event WHERE action = 'audit.erasure') WHERE sequence = 2").await;
        assert_eq!(
            faults(&stage.verify().await),
            ["one: record 2 was emptied, and no erasure tells of it"]
        );
    }
}
