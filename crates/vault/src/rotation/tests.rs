//! Stories about rotation: under load, cut off, with a damaged row, and from one master key to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use portcullis_database::both_engines;
use portcullis_database::testing::TestDatabase;
use portcullis_oauth::Secret;
use tokio::task::JoinSet;

use super::*;
use crate::{MasterKeySource, Place, Sealed, Vault, VaultError};

const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
const OLD: u8 = b'A';
const NEW: u8 = b'Q';

fn source(key: u8) -> MasterKeySource {
    MasterKeySource::Environment(Secret::presented(char::from(key).to_string().repeat(43)))
}

fn master(key: u8) -> MasterKey {
    MasterKey::parse(&[key; 43]).unwrap()
}

/// A node of its own: it shares nothing with others but the database.
async fn node(story: &TestDatabase, key: u8) -> Result<Vault, VaultError> {
    let database = Database::open(&story.url).await.unwrap();
    Vault::unlock(&source(key), &database, NOW).await
}

fn place(connection: &str) -> Place<'_> {
    Place { owner: "alice", connection, field: "header", version: 1 }
}

async fn seal(vault: &Vault, story: &TestDatabase, connection: &str) -> Result<Sealed, KeyError> {
    let mut transaction = story.database.begin().await?;
    let sealed = vault.seal(&mut transaction, &place(connection), connection.as_bytes()).await?;
    transaction.commit().await?;
    Ok(sealed)
}

async fn sealed(vault: &Vault, story: &TestDatabase, count: usize) -> Vec<(String, Sealed)> {
    let mut all = Vec::new();
    for number in 0..count {
        let connection = format!("conn_{number:03}");
        let sealed = seal(vault, story, &connection).await.unwrap();
        all.push((connection, sealed));
    }
    all
}

async fn opens(vault: &Vault, (connection, sealed): &(String, Sealed)) -> bool {
    let opened = vault.open(&place(connection), sealed).await;
    opened.is_ok_and(|opened| opened.as_slice() == connection.as_bytes())
}

async fn all_open(vault: &Vault, all: &[(String, Sealed)]) -> bool {
    for one in all {
        if !opens(vault, one).await {
            return false;
        }
    }
    true
}

async fn keys(story: &TestDatabase) -> Vec<String> {
    on!(story.database.read(), |pool| sqlx::query_scalar("SELECT id FROM encryption_key")
        .fetch_all(pool)
        .await)
    .unwrap()
}

both_engines! {
    /// T49: two nodes seal and open while keys are rotated; nothing fails, and no row depends on an old key
    async fn nothing_fails_while_keys_are_rotated(story: TestDatabase) {
        let (one, two) = (node(&story, OLD).await.unwrap(), node(&story, OLD).await.unwrap());
        let all = Arc::new(sealed(&one, &story, 40).await);
        let (over, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut load = JoinSet::new();
        for vault in [one.clone(), two.clone()] {
            let (all, over, opened) = (all.clone(), over.clone(), opened.clone());
            load.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    assert!(all_open(&vault, &all).await, "an open failed");
                    opened.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let story = Arc::new(story);
        let (writer, kept, ended) = (two.clone(), story.clone(), over.clone());
        let late = tokio::spawn(async move {
            let mut late = Vec::new();
            while !ended.load(Ordering::SeqCst) {
                let connection = format!("late_{:04}", late.len());
                let sealed = seal(&writer, &kept, &connection).await.unwrap();
                late.push((connection, sealed));
            }
            late
        });
        let first = keys(&story).await;
        for _ in 0..3 {
            let before = opened.load(Ordering::SeqCst);
            let rotated = one.rotate(None, NOW).await.unwrap();
            assert_eq!((rotated.damaged.len(), rotated.resumed), (0, false), "{rotated:?}");
            while opened.load(Ordering::SeqCst) < before + 2 {
                tokio::task::yield_now().await;
            }
        }
        over.store(true, Ordering::SeqCst);
        while let Some(ended) = load.join_next().await {
            ended.unwrap();
        }
        let late = late.await.unwrap();
        assert!(!late.is_empty() && all_open(&one, &late).await && all_open(&two, &all).await);
        let now = keys(&story).await;
        assert!(now.len() == 1 && now != first, "{now:?}");
        let verified = two.verify().await.unwrap();
        assert!(verified.iter().all(|kind| kind.failed.is_empty()), "{verified:?}");
    }

    async fn a_rotation_that_was_cut_off_is_gone_on_with(story: TestDatabase) {
        let vault = node(&story, OLD).await.unwrap();
        let all = sealed(&vault, &story, 7).await;
        let (begun, _) = begin(&story.database, &master(OLD), None, NOW).await.unwrap();
        let batch = rewrap(&story.database, &master(OLD), "", 3).await.unwrap();
        assert_eq!((batch.rewrapped, keys(&story).await.len()), (3, 2));
        // Here it dies. Whoever comes next finds two keys, and everything opens with either.
        let next = node(&story, OLD).await.unwrap();
        assert!(all_open(&next, &all).await);
        let rotated = next.rotate(None, NOW).await.unwrap();
        assert_eq!((rotated.resumed, rotated.rewrapped, rotated.retired.len()), (true, 5, 1), "4 and the server's");
        assert_eq!(keys(&story).await, [begun]);
        assert!(all_open(&vault, &all).await);
    }

    async fn a_data_key_that_is_being_made_is_waited_for(story: TestDatabase) {
        let (one, two) = (node(&story, OLD).await.unwrap(), node(&story, OLD).await.unwrap());
        let mut transaction = story.database.begin().await.unwrap();
        let sealed = one.seal(&mut transaction, &place("conn"), b"conn").await.unwrap();
        let rotation = tokio::spawn(async move { two.rotate(None, NOW).await });
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        transaction.commit().await.unwrap();
        let rotated = rotation.await.unwrap().unwrap();
        assert_eq!((rotated.rewrapped, rotated.retired.len()), (2, 1));
        assert!(opens(&one, &("conn".to_owned(), sealed)).await);
    }

    async fn what_does_not_open_is_named_and_keeps_the_old_key_alive(story: TestDatabase) {
        let vault = node(&story, OLD).await.unwrap();
        let all = sealed(&vault, &story, 3).await;
        on!(story.database.write(), |pool| sqlx::query(
            "UPDATE data_key SET wrapped = (SELECT o.wrapped FROM data_key o WHERE o.holder = 'conn_000') WHERE holder = 'conn_001'"
        )
        .execute(pool)
        .await
        .map(drop))
        .unwrap();
        let rotated = vault.rotate(None, NOW).await.unwrap();
        assert_eq!((rotated.damaged, rotated.rewrapped, rotated.retired.len()), (vec!["conn_001".to_owned()], 3, 0));
        assert!(opens(&vault, &all[0]).await && !opens(&vault, &all[1]).await && opens(&vault, &all[2]).await);
        let [encryption_keys, data_keys] = vault.verify().await.unwrap();
        assert_eq!((encryption_keys.opened, encryption_keys.failed.len()), (2, 0));
        assert_eq!((data_keys.opened, data_keys.failed), (3, vec!["conn_001".to_owned()]));
    }

    async fn a_master_key_is_replaced_node_by_node(story: TestDatabase) {
        let old = node(&story, OLD).await.unwrap();
        let all = sealed(&old, &story, 3).await;
        assert!(matches!(old.rotate(Some(&master(OLD)), NOW).await, Err(RotationError::SameMasterKey)));
        old.rotate(Some(&master(NEW)), NOW).await.unwrap();
        let new = node(&story, NEW).await.unwrap();
        let again = node(&story, OLD).await.unwrap();
        for vault in [&old, &new, &again] {
            assert!(all_open(vault, &all).await);
            let refused = vault.rotate(None, NOW).await.unwrap_err();
            assert!(matches!(refused, RotationError::MasterKeyInReplacement), "{refused}");
        }
        let sealed_by_new = seal(&new, &story, "new").await.unwrap();
        assert!(opens(&old, &("new".to_owned(), sealed_by_new)).await);

        assert_eq!(new.forget_other_master_keys(NOW).await.unwrap(), 1);
        assert!(all_open(&new, &all).await && !all_open(&old, &all).await);
        assert!(matches!(node(&story, OLD).await, Err(VaultError::Foreign(_))));
        new.rotate(None, NOW).await.unwrap();
        assert!(all_open(&node(&story, NEW).await.unwrap(), &all).await);
    }
}
