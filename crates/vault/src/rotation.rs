//! Rotation: a new encryption key takes the place of the old one, every data key is wrapped anew in small batches while
//! everybody goes on, and the old key goes once nothing hangs on it. Each batch is a transaction, so a rotation that was cut
//! off anywhere is gone on with by the next.

use std::collections::HashMap;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::Timestamp;
use serde_json::json;

use crate::keys::{self, EncryptionKey};
use crate::{KeyError, MasterKey};

/// Data keys that one transaction wraps anew.
pub(crate) const BATCH: i64 = 100;

/// Why no new key was made.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// A new encryption key would be known to one of two master keys only.
    #[error(
        "the master key is being replaced; restart every node with the new one, then run `portcullis keys rotate-encryption --forget-old-master-key`, and rotate after that"
    )]
    MasterKeyInReplacement,
    /// The new master key is the old one.
    #[error(
        "that is the master key that is in use already; name a file that is not there yet, and it is made"
    )]
    SameMasterKey,
    /// A key does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The encryption key that wraps every data key now.
    pub current: String,
    /// Whether a rotation that had been cut off was gone on with, instead of beginning another.
    pub resumed: bool,
    /// How many data keys were wrapped anew.
    pub rewrapped: u64,
    /// The holders of data keys that did not open and stay as they are.
    pub damaged: Vec<String>,
    /// The keys that nothing hung on any more, and that are gone.
    pub retired: Vec<String>,
}

/// One batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) rewrapped: u64,
    pub(crate) damaged: Vec<String>,
    /// Where the next one begins; `None` when this was the last.
    pub(crate) last: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    holder: String,
    wrapped: String,
    encryption_key: String,
    sealed: Option<String>,
}

/// Makes a new current encryption key, sealed by `master` and by the one that will replace it. While older ones wait to
/// go, none is made: the rotation that they are left from is gone on with. Gives the current one, and whether it is that.
pub(crate) async fn begin(
    database: &Database,
    master: &MasterKey,
    successor: Option<&MasterKey>,
    now: Timestamp,
) -> Result<(String, bool), RotationError> {
    let mut transaction = database.begin().await?;
    // Of two that begin at once the second finds what the first did.
    keys::hold_current(&mut transaction).await?;
    let old = keys::current(&mut transaction, master).await?;
    let is_unfinished = count_replaced(&mut transaction).await? > 0;
    let current = if is_unfinished {
        old.id
    } else {
        let known: Vec<String> =
            [Some(master), successor].into_iter().flatten().map(MasterKey::name).collect();
        if !masters_of(&mut transaction, &old.id).await?.iter().all(|name| known.contains(name)) {
            return Err(RotationError::MasterKeyInReplacement);
        }
        replace(&mut transaction, &old, master, now).await?
    };
    if let Some(successor) = successor {
        seal_all(&mut transaction, master, successor).await?;
        note(&mut transaction, "master_key_added", &successor.name(), now).await?;
    }
    transaction.commit().await?;
    Ok((current, is_unfinished))
}

async fn replace(
    transaction: &mut Transaction,
    old: &EncryptionKey,
    master: &MasterKey,
    now: Timestamp,
) -> Result<String, DatabaseError> {
    let new = EncryptionKey::generate();
    on!(transaction.on(), |connection| sqlx::query(
        "UPDATE encryption_key SET is_current = FALSE WHERE id = $1"
    )
    .bind(&old.id)
    .execute(connection)
    .await
    .map(drop))?;
    keys::insert_current(transaction, &new, now).await?;
    keys::insert_seal(transaction, &new, master).await?;
    note(transaction, "encryption_key_created", &new.id, now).await?;
    Ok(new.id)
}

/// Wraps the next `limit` data keys after `after` anew, by holder.
pub(crate) async fn rewrap(
    database: &Database,
    master: &MasterKey,
    after: &str,
    limit: i64,
) -> Result<Batch, KeyError> {
    let mut transaction = database.begin().await?;
    let current = keys::current(&mut transaction, master).await?;
    let rows: Vec<Row> = on!(transaction.on(), |connection| sqlx::query_as(
        "SELECT d.holder, d.wrapped, d.encryption_key, s.sealed FROM data_key d LEFT JOIN encryption_key_seal s \
         ON s.encryption_key = d.encryption_key AND s.master = $1 \
         WHERE d.encryption_key <> $2 AND d.holder > $3 ORDER BY d.holder LIMIT $4"
    )
    .bind(master.name())
    .bind(&current.id)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await)
    .map_err(DatabaseError::from)?;
    let mut batch = Batch { last: rows.last().map(|row| row.holder.clone()), ..Batch::default() };
    let mut olds = HashMap::new();
    for row in rows {
        match rewrapped(&row, &current, master, &mut olds) {
            Ok(wrapped) => batch.rewrapped += update(&mut transaction, &row, &current.id, &wrapped).await?,
            Err(_) => batch.damaged.push(row.holder),
        }
    }
    transaction.commit().await?;
    Ok(batch)
}

fn rewrapped(
    row: &Row,
    current: &EncryptionKey,
    master: &MasterKey,
    olds: &mut HashMap<String, EncryptionKey>,
) -> Result<String, KeyError> {
    if !olds.contains_key(&row.encryption_key) {
        let old = EncryptionKey::open(&row.encryption_key, row.sealed.as_deref(), master)?;
        olds.insert(row.encryption_key.clone(), old);
    }
    let material = olds[&row.encryption_key].unwrap(&row.holder, &row.wrapped)?;
    Ok(current.wrap(&row.holder, &material))
}

/// 0 when the row has gone, or another node was first.
async fn update(
    transaction: &mut Transaction,
    row: &Row,
    current: &str,
    wrapped: &str,
) -> Result<u64, DatabaseError> {
    Ok(on!(transaction.on(), |connection| sqlx::query(
        "UPDATE data_key SET encryption_key = $3, wrapped = $4 WHERE holder = $1 AND encryption_key = $2"
    )
    .bind(&row.holder)
    .bind(&row.encryption_key)
    .bind(current)
    .bind(wrapped)
    .execute(connection)
    .await
    .map(|done| done.rows_affected()))?)
}

/// Deletes every replaced key that nothing hangs on, and says which.
pub(crate) async fn retire(database: &Database, now: Timestamp) -> Result<Vec<String>, DatabaseError> {
    let mut transaction = database.begin().await?;
    let mut retired: Vec<String> = on!(transaction.on(), |connection| sqlx::query_scalar(
        "DELETE FROM encryption_key WHERE NOT is_current AND NOT EXISTS \
         (SELECT 1 FROM data_key d WHERE d.encryption_key = encryption_key.id) RETURNING id"
    )
    .fetch_all(connection)
    .await)?;
    for id in &retired {
        note(&mut transaction, "encryption_key_retired", id, now).await?;
    }
    transaction.commit().await?;
    retired.sort();
    Ok(retired)
}

/// Deletes what other master keys than this one sealed, and says how many there were.
pub(crate) async fn forget_other_masters(
    database: &Database,
    master: &MasterKey,
    now: Timestamp,
) -> Result<usize, DatabaseError> {
    let mut transaction = database.begin().await?;
    // Only where this one seals the same key too.
    let mut forgotten: Vec<String> = on!(transaction.on(), |connection| sqlx::query_scalar(
        "DELETE FROM encryption_key_seal WHERE master <> $1 AND encryption_key IN \
         (SELECT m.encryption_key FROM encryption_key_seal m WHERE m.master = $1) RETURNING master"
    )
    .bind(master.name())
    .fetch_all(connection)
    .await)?;
    forgotten.sort();
    forgotten.dedup();
    for name in &forgotten {
        note(&mut transaction, "master_key_forgotten", name, now).await?;
    }
    transaction.commit().await?;
    Ok(forgotten.len())
}

/// Seals every encryption key by `successor` too.
async fn seal_all(
    transaction: &mut Transaction,
    master: &MasterKey,
    successor: &MasterKey,
) -> Result<(), KeyError> {
    let all: Vec<(String, Option<String>)> = on!(transaction.on(), |connection| sqlx::query_as(
        "SELECT k.id, s.sealed FROM encryption_key k LEFT JOIN encryption_key_seal s \
         ON s.encryption_key = k.id AND s.master = $1"
    )
    .bind(master.name())
    .fetch_all(connection)
    .await)
    .map_err(DatabaseError::from)?;
    for (id, sealed) in all {
        let key = EncryptionKey::open(&id, sealed.as_deref(), master)?;
        keys::insert_seal(transaction, &key, successor).await?;
    }
    Ok(())
}

async fn count_replaced(transaction: &mut Transaction) -> Result<i64, DatabaseError> {
    Ok(on!(transaction.on(), |connection| sqlx::query_scalar(
        "SELECT COUNT(*) FROM encryption_key WHERE NOT is_current"
    )
    .fetch_one(connection)
    .await)?)
}

async fn masters_of(transaction: &mut Transaction, id: &str) -> Result<Vec<String>, DatabaseError> {
    Ok(on!(transaction.on(), |connection| sqlx::query_scalar(
        "SELECT master FROM encryption_key_seal WHERE encryption_key = $1"
    )
    .bind(id)
    .fetch_all(connection)
    .await)?)
}

async fn note(
    transaction: &mut Transaction,
    what: &'static str,
    name: &str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::KeyChange, Outcome::Done).because(what).with(json!({ "name": name }));
    portcullis_audit::record_in(transaction, event).await
}

#[cfg(test)]
mod tests;
