//! The check that a master key and a database belong together, so that a mix-up is told at start and not when the first
//! sealed value fails to open.

use std::path::Path;

use portcullis_database::{Database, DatabaseError, on};

use crate::{MasterKey, VaultError};

const LABEL: &[u8] = b"portcullis vault check v1";
const NAME: &str = "master";
const CONTENT: &[u8] = b"this database belongs to this key";

/// Opens the master key at `path` that belongs to `database`. The first start makes the key and seals the check row;
/// a database that was sealed before is never given a new key.
///
/// # Errors
/// One sentence that says what to do.
pub async fn open(path: &Path, database: &Database) -> Result<MasterKey, VaultError> {
    if find(database).await?.is_some() && !path.exists() {
        return Err(VaultError::Missing(path.to_owned()));
    }
    let key = MasterKey::open_or_create(path)?;
    let sealing = key.sealing_key(LABEL);
    create(database, &sealing.seal(CONTENT, NAME.as_bytes())).await?;
    // Read back, since another process may have been first.
    let sealed = find(database).await?.unwrap_or_default();
    match sealing.open(&sealed, NAME.as_bytes()) {
        Ok(content) if content.as_slice() == CONTENT => Ok(key),
        _ => Err(VaultError::Foreign(path.to_owned())),
    }
}

async fn create(database: &Database, sealed: &str) -> Result<(), DatabaseError> {
    on!(database.write(), |pool| sqlx::query(
        "INSERT INTO vault_check (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
    )
    .bind(NAME)
    .bind(sealed)
    .execute(pool)
    .await
    .map(drop))?;
    Ok(())
}

async fn find(database: &Database) -> Result<Option<String>, DatabaseError> {
    Ok(on!(database.read(), |pool| sqlx::query_scalar("SELECT sealed FROM vault_check WHERE name = $1")
        .bind(NAME)
        .fetch_optional(pool)
        .await)?)
}

#[cfg(test)]
mod tests {
    use portcullis_database::both_engines;

    use super::*;

    both_engines! {
        async fn a_key_belongs_to_the_database_that_it_was_made_with(story: TestDatabase) {
            let folder = tempfile::tempdir().unwrap();
            let (path, other) = (folder.path().join("master.key"), folder.path().join("other.key"));
            open(&path, &story.database).await.unwrap();
            open(&path, &story.database).await.unwrap();

            let missing = open(&other, &story.database).await.unwrap_err();
            assert!(matches!(missing, VaultError::Missing(_)), "{missing}");
            assert!(!other.exists(), "a sealed database is never given a new key");

            MasterKey::open_or_create(&other).unwrap();
            let foreign = open(&other, &story.database).await.unwrap_err();
            assert!(matches!(foreign, VaultError::Foreign(_)), "{foreign}");
        }
    }
}
