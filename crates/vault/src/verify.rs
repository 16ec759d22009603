//! The proof that everything opens: each row of a kind is opened, and those that do not are named.

use portcullis_database::{Database, DatabaseError, on};

use crate::MasterKey;
use crate::keys::EncryptionKey;

/// Rows that are read at once.
const PAGE: i64 = 200;

/// How the rows of one kind stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What they are, for people.
    pub what: &'static str,
    /// How many open.
    pub opened: u64,
    /// The names of those that do not.
    pub failed: Vec<String>,
}

impl Verified {
    /// Nothing was opened yet.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, opened: 0, failed: Vec::new() }
    }

    /// Counts one row.
    pub fn count<T, E>(&mut self, opened: &Result<T, E>, name: impl FnOnce() -> String) {
        match opened {
            Ok(_) => self.opened += 1,
            Err(_) => self.failed.push(name()),
        }
    }
}

/// Every encryption key, as this master key seals it.
pub(crate) async fn encryption_keys(
    database: &Database,
    master: &MasterKey,
) -> Result<Verified, DatabaseError> {
    let rows: Vec<(String, Option<String>)> = on!(database.read(), |pool| sqlx::query_as(
        "SELECT k.id, s.sealed FROM encryption_key k LEFT JOIN encryption_key_seal s \
         ON s.encryption_key = k.id AND s.master = $1 ORDER BY k.created_at, k.id"
    )
    .bind(master.name())
    .fetch_all(pool)
    .await)?;
    let mut verified = Verified::new("encryption keys");
    for (id, sealed) in rows {
        verified.count(&EncryptionKey::open(&id, sealed.as_deref(), master), || id.clone());
    }
    Ok(verified)
}

/// Every data key.
pub(crate) async fn data_keys(database: &Database, master: &MasterKey) -> Result<Verified, DatabaseError> {
    let mut verified = Verified::new("data keys");
    let mut after = String::new();
    loop {
        let rows: Vec<(String, String, String, Option<String>)> = on!(database.read(), |pool| {
            sqlx::query_as(
            "SELECT d.holder, d.wrapped, d.encryption_key, s.sealed FROM data_key d LEFT JOIN encryption_key_seal s \
             ON s.encryption_key = d.encryption_key AND s.master = $1 WHERE d.holder > $2 ORDER BY d.holder LIMIT $3"
        )
        .bind(master.name())
        .bind(&after)
        .bind(PAGE)
        .fetch_all(pool)
        .await
        })?;
        let Some((last, ..)) = rows.last() else { return Ok(verified) };
        after.clone_from(last);
        for (holder, wrapped, id, sealed) in rows {
            let key = EncryptionKey::open(&id, sealed.as_deref(), master);
            verified.count(&key.and_then(|key| key.unwrap(&holder, &wrapped)), || holder.clone());
        }
    }
}
