//! Every record gets one place, whoever writes and however.

use portcullis_audit::record_in;
use portcullis_database::both_engines;
use portcullis_oauth::Seconds;

use crate::stage::{NOW, Stage, event, faults};

both_engines! {
    async fn every_record_gets_its_place_and_the_chain_verifies(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(40).await;
        stage.record_within("one", "user_within").await;
        stage.record(3).await;
        assert_eq!(stage.verify().await.waiting, 1, "a transaction's record waits");
        stage.trail.seal(NOW).await.unwrap();
        stage.record(1).await;
        let found = stage.verify().await;
        let chain = &found.chains[0];
        assert_eq!((chain.node.as_str(), chain.records, chain.last, found.waiting), ("one", 45, 45, 0));
        assert!(found.is_good(), "{found:?}");
    }

    async fn a_transaction_that_was_rolled_back_leaves_no_gap(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(1).await;
        let mut transaction = stage.database.begin().await.unwrap();
        record_in(&mut transaction, event("user_never")).await.unwrap();
        drop(transaction);
        stage.record(1).await;
        stage.trail.seal(NOW).await.unwrap();
        let found = stage.verify().await;
        assert!(found.is_good() && found.chains[0].records == 2, "{found:?}");
    }

    /// Two processes under one name: the chain does not fork, and no event is lost.
    async fn two_processes_under_one_name_share_one_chain(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        let second = stage.again();
        let tasks: Vec<_> = (0..60).map(|number| {
            let trail = if number % 2 == 0 { stage.trail.clone() } else { second.clone() };
            tokio::spawn(async move { trail.record(event("user_a")).await.is_ok() })
        }).collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
        for trail in [&stage.trail, &second, &stage.trail] {
            trail.record(event("user_b")).await.unwrap();
        }
        let found = stage.verify().await;
        assert!(found.is_good() && found.chains[0].records == 63, "{found:?}");
    }

    /// What a command or a node that has gone left behind gets a place in that one's own chain.
    async fn the_records_of_those_that_have_gone_get_their_places(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.record(1).await;
        stage.record_within("one-cli", "user_a").await;
        stage.record_within("one-cli", "user_b").await;
        stage.trail.seal(NOW.plus(Seconds(30))).await.unwrap();
        assert_eq!(stage.verify().await.waiting, 2, "they may still be there");
        stage.trail.seal(NOW.plus(Seconds(61))).await.unwrap();
        let found = stage.verify().await;
        let chains: Vec<_> = found.chains.iter().map(|chain| (chain.node.as_str(), chain.records)).collect();
        assert_eq!(chains, [("one", 1), ("one-cli", 2)]);
        assert_eq!((faults(&found).len(), found.waiting), (0, 0));
    }

    async fn places_are_given_once_by_whoever_comes_first(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        for _ in 0..20 {
            stage.record_within("gone", "user_a").await;
        }
        let later = NOW.plus(Seconds::minutes(5));
        let sealers: Vec<_> = (0..4).map(|_| {
            let trail = stage.again();
            tokio::spawn(async move { trail.seal(later).await })
        }).collect();
        for sealer in sealers {
            sealer.await.unwrap().unwrap();
        }
        stage.trail.seal(later).await.unwrap();
        let found = stage.verify().await;
        assert!(found.is_good() && found.chains[0].records == 20 && found.waiting == 0, "{found:?}");
    }

    /// Records of a release that knew no chain.
    async fn what_was_recorded_before_there_was_a_chain_joins_it(database: TestDatabase) {
        let stage = Stage::on(&database.database);
        stage.tamper("INSERT INTO audit_event (id, at, action, outcome) VALUES ('evt_old', 1, 'sign_in', 'done')").await;
        stage.record(1).await;
        stage.trail.seal(NOW).await.unwrap();
        let found = stage.verify().await;
        assert!(found.is_good() && found.chains[0].records == 2, "{found:?}");
        stage.tamper("UPDATE audit_event SET principal_id = 'user_x' WHERE id = 'evt_old'").await;
        assert!(!stage.verify().await.is_good());
    }
}
