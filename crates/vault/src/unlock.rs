//! The start of a vault: the master key is compared with the database, so that a mix-up is told at start and not when the
//! first sealed value fails to open; and what the very first start makes.

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::Timestamp;

use crate::keys::{self, EncryptionKey, Material};
use crate::{MasterKey, MasterKeySource, VaultError};

/// The holder of the server's own data key.
pub(crate) const SERVER: &str = "server";

/// What the row of `vault_check` holds in a database that is older than its encryption keys.
const CHECK_LABEL: &[u8] = b"portcullis vault check v1";
const CHECK_NAME: &str = "master";

/// The master key that belongs to `database`, and the server's own data key. The first start makes what is not there.
pub(crate) async fn unlock(
    source: &MasterKeySource,
    database: &Database,
    now: Timestamp,
) -> Result<(MasterKey, Material), VaultError> {
    let (has_keys, check) = (has_keys(database).await?, check(database).await?);
    let master = source.key(has_keys || check.is_some()).await?;
    if !has_keys {
        let sealed_here =
            |sealed: &String| master.sealing_key(CHECK_LABEL).open(sealed, CHECK_NAME.as_bytes()).is_ok();
        if !check.iter().all(sealed_here) {
            return Err(VaultError::Foreign(source.to_string()));
        }
        begin(&master, database, now).await?;
    }
    // Another process may have been first, with another key.
    if !knows(&master, database).await? {
        return Err(VaultError::Foreign(source.to_string()));
    }
    let broken = |error| VaultError::Broken(source.to_string(), error);
    let mut transaction = database.begin().await?;
    let server = keys::find_or_create(&mut transaction, SERVER, &master).await.map_err(broken)?;
    transaction.commit().await?;
    Ok((master, server))
}

/// The first encryption key. From here on its seal tells which master key is the right one.
async fn begin(master: &MasterKey, database: &Database, now: Timestamp) -> Result<(), DatabaseError> {
    let key = EncryptionKey::generate();
    let mut transaction = database.begin().await?;
    if keys::insert_current(&mut transaction, &key, now).await? {
        keys::insert_seal(&mut transaction, &key, master).await?;
        on!(transaction.on(), |connection| sqlx::query("DELETE FROM vault_check")
            .execute(connection)
            .await
            .map(drop))?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn has_keys(database: &Database) -> Result<bool, DatabaseError> {
    let count: i64 = on!(database.read(), |pool| sqlx::query_scalar("SELECT COUNT(*) FROM encryption_key")
        .fetch_one(pool)
        .await)?;
    Ok(count > 0)
}

async fn check(database: &Database) -> Result<Option<String>, DatabaseError> {
    Ok(on!(database.read(), |pool| sqlx::query_scalar("SELECT sealed FROM vault_check WHERE name = $1")
        .bind(CHECK_NAME)
        .fetch_optional(pool)
        .await)?)
}

/// Whether this master key seals the current encryption key.
async fn knows(master: &MasterKey, database: &Database) -> Result<bool, DatabaseError> {
    let count: i64 = on!(database.read(), |pool| sqlx::query_scalar(
        "SELECT COUNT(*) FROM encryption_key k JOIN encryption_key_seal s ON s.encryption_key = k.id \
         WHERE k.is_current AND s.master = $1"
    )
    .bind(master.name())
    .fetch_one(pool)
    .await)?;
    Ok(count > 0)
}

#[cfg(test)]
mod tests {
    use portcullis_database::both_engines;
    use portcullis_database::testing::TestDatabase;
    use portcullis_oauth::Secret;

    use super::*;
    use crate::Vault;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    async fn unlocked(source: &MasterKeySource, story: &TestDatabase) -> Result<Vault, VaultError> {
        Vault::unlock(source, &story.database, NOW).await
    }

    both_engines! {
        async fn a_key_belongs_to_the_database_that_it_was_made_with(story: TestDatabase) {
            let folder = tempfile::tempdir().unwrap();
            let (path, other) = (folder.path().join("master.key"), folder.path().join("other.key"));
            let (mine, others) = (MasterKeySource::File(path.clone()), MasterKeySource::File(other.clone()));
            let made = unlocked(&mine, &story).await.unwrap().server_key(b"x").seal(b"kept", b"");
            let again = unlocked(&mine, &story).await.unwrap();
            assert_eq!(again.server_key(b"x").open(&made, b"").unwrap().as_slice(), b"kept");

            let missing = unlocked(&others, &story).await.unwrap_err();
            assert!(matches!(missing, VaultError::Missing(_)), "{missing}");
            assert!(!other.exists(), "a sealed database is never given a new key");

            MasterKey::open_or_create(&other).unwrap();
            let foreign = unlocked(&others, &story).await.unwrap_err();
            assert!(matches!(foreign, VaultError::Foreign(_)), "{foreign}");

            let text = std::fs::read_to_string(&path).unwrap();
            let environment = MasterKeySource::Environment(Secret::presented(text));
            unlocked(&environment, &story).await.unwrap();
        }

        async fn of_nodes_that_start_at_once_all_have_the_same_keys(story: TestDatabase) {
            let folder = tempfile::tempdir().unwrap();
            let source = MasterKeySource::File(folder.path().join("master.key"));
            let nodes = (0..6).map(|_| {
                let (source, database) = (source.clone(), story.database.clone());
                tokio::spawn(async move { Vault::unlock(&source, &database, NOW).await.unwrap() })
            });
            let mut vaults = Vec::new();
            for node in nodes.collect::<Vec<_>>() {
                vaults.push(node.await.unwrap());
            }
            let sealed = vaults[0].server_key(b"x").seal(b"kept", b"");
            assert!(vaults.iter().all(|vault| vault.server_key(b"x").open(&sealed, b"").is_ok()));
        }

        async fn a_database_that_is_older_than_its_encryption_keys_keeps_its_master_key(story: TestDatabase) {
            let folder = tempfile::tempdir().unwrap();
            let (path, other) = (folder.path().join("master.key"), folder.path().join("other.key"));
            let master = MasterKey::open_or_create(&path).unwrap();
            MasterKey::open_or_create(&other).unwrap();
            let sealed = master.sealing_key(CHECK_LABEL).seal(b"this database belongs to this key", CHECK_NAME.as_bytes());
            on!(story.database.write(), |pool| sqlx::query("INSERT INTO vault_check (name, sealed) VALUES ($1, $2)")
                .bind(CHECK_NAME)
                .bind(&sealed)
                .execute(pool)
                .await
                .map(drop))
            .unwrap();
            let foreign = unlocked(&MasterKeySource::File(other), &story).await.unwrap_err();
            assert!(matches!(foreign, VaultError::Foreign(_)), "{foreign}");
            unlocked(&MasterKeySource::File(path), &story).await.unwrap();
        }
    }
}
