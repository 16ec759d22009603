//! `encryption_key`, `encryption_key_seal` and `data_key`: the three layers of keys, and the statements about them. Every
//! look-up names the master key, and reads a data key and what wraps it in one statement, so that it never sees a rotation
//! half done.

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Secret, SecretKind, Timestamp, random_handle};
use zeroize::Zeroizing;

use crate::{KeyError, MasterKey, Place, SealError, Sealed, SealingKey};

/// Under these labels one key becomes the one that seals the next.
const MASTER_LABEL: &[u8] = b"portcullis encryption key v1";
const ENCRYPTION_LABEL: &[u8] = b"portcullis data key v1";
const DATA_LABEL: &[u8] = b"portcullis credential v1";

/// How often the current key is asked for that somebody is replacing.
const TRIES: u32 = 5;

/// A data key and what wraps it.
#[derive(sqlx::FromRow)]
struct Row {
    wrapped: String,
    encryption_key: String,
    sealed: Option<String>,
}

const FIND: &str = "SELECT d.wrapped, d.encryption_key, s.sealed FROM data_key d LEFT JOIN encryption_key_seal s \
    ON s.encryption_key = d.encryption_key AND s.master = $2 WHERE d.holder = $1";

/// The key that seals one connection's credentials. Wiped when dropped.
#[derive(Debug)]
pub struct DataKey(SealingKey);

impl DataKey {
    /// Seals `plaintext` for `place`.
    #[must_use]
    pub fn seal(&self, place: &Place<'_>, plaintext: &[u8]) -> Sealed {
        Sealed(self.0.seal(plaintext, &place.associated_data()))
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// When it was damaged, or was sealed for another place or under another key.
    pub fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.0.open(&sealed.0, &place.associated_data())
    }
}

/// A key that wraps data keys, opened.
pub(crate) struct EncryptionKey {
    pub(crate) id: String,
    material: Zeroizing<Vec<u8>>,
    key: SealingKey,
}

impl EncryptionKey {
    fn new(id: &str, material: Zeroizing<Vec<u8>>) -> Self {
        let key = SealingKey::derive(&material, ENCRYPTION_LABEL);
        Self { id: id.to_owned(), material, key }
    }

    /// One that nobody has yet.
    pub(crate) fn generate() -> Self {
        Self::new(&random_handle("kek_"), random())
    }

    /// Its form for rows, under this master key.
    pub(crate) fn sealed_by(&self, master: &MasterKey) -> String {
        master.sealing_key(MASTER_LABEL).seal(&self.material, self.id.as_bytes())
    }

    /// Opens the one of this name.
    pub(crate) fn open(id: &str, sealed: Option<&str>, master: &MasterKey) -> Result<Self, KeyError> {
        let opened = sealed
            .ok_or(SealError)
            .and_then(|sealed| master.sealing_key(MASTER_LABEL).open(sealed, id.as_bytes()));
        opened.map(|material| Self::new(id, material)).map_err(|_| KeyError::EncryptionKey(id.to_owned()))
    }

    /// The form for rows of a holder's data key.
    pub(crate) fn wrap(&self, holder: &str, material: &[u8]) -> String {
        self.key.seal(material, holder.as_bytes())
    }

    /// A holder's data key.
    pub(crate) fn unwrap(&self, holder: &str, wrapped: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.key.open(wrapped, holder.as_bytes()).map_err(|_| KeyError::DataKey(holder.to_owned()))
    }
}

/// 256 random bits, as the text that secrets are drawn as.
fn random() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Secret::generate(SecretKind::Password).expose().as_bytes().to_vec())
}

/// What a data key is made of.
pub(crate) type Material = Zeroizing<Vec<u8>>;

pub(crate) fn data_key(material: &Material) -> DataKey {
    DataKey(SealingKey::derive(material, DATA_LABEL))
}

fn opened(row: Option<Row>, holder: &str, master: &MasterKey) -> Result<Option<Material>, KeyError> {
    let Some(row) = row else { return Ok(None) };
    let key = EncryptionKey::open(&row.encryption_key, row.sealed.as_deref(), master)?;
    key.unwrap(holder, &row.wrapped).map(Some)
}

/// The data key of `holder`.
pub(crate) async fn find(
    database: &Database,
    holder: &str,
    master: &MasterKey,
) -> Result<Option<Material>, KeyError> {
    let row: Option<Row> = on!(database.read(), |pool| sqlx::query_as(FIND)
        .bind(holder)
        .bind(master.name())
        .fetch_optional(pool)
        .await)
    .map_err(DatabaseError::from)?;
    opened(row, holder, master)
}

async fn find_in(
    transaction: &mut Transaction,
    holder: &str,
    master: &MasterKey,
) -> Result<Option<Material>, KeyError> {
    let row: Option<Row> = on!(transaction.on(), |connection| sqlx::query_as(FIND)
        .bind(holder)
        .bind(master.name())
        .fetch_optional(connection)
        .await)
    .map_err(DatabaseError::from)?;
    opened(row, holder, master)
}

/// The data key of `holder`, made if there is none yet.
pub(crate) async fn find_or_create(
    transaction: &mut Transaction,
    holder: &str,
    master: &MasterKey,
) -> Result<Material, KeyError> {
    if let Some(found) = find_in(transaction, holder, master).await? {
        return Ok(found);
    }
    hold_current(transaction).await?;
    let (current, material) = (current(transaction, master).await?, random());
    let made: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
        "INSERT INTO data_key (holder, encryption_key, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING holder"
    )
    .bind(holder)
    .bind(&current.id)
    .bind(current.wrap(holder, &material))
    .fetch_optional(connection)
    .await)
    .map_err(DatabaseError::from)?;
    match made {
        Some(_) => Ok(material),
        // Somebody else was first.
        None => {
            find_in(transaction, holder, master).await?.ok_or_else(|| KeyError::NoDataKey(holder.to_owned()))
        }
    }
}

/// Holds the current key until this transaction is over: a rotation waits for it, so that no data key is ever wrapped by a
/// key that has been replaced. The row is locked by being written.
pub(crate) async fn hold_current(transaction: &mut Transaction) -> Result<(), DatabaseError> {
    // After a wait for a rotation, PostgreSQL knows the row that it waited for and not yet the new one.
    for _ in 0..TRIES {
        let held: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "UPDATE encryption_key SET is_current = TRUE WHERE is_current RETURNING id"
        )
        .fetch_optional(connection)
        .await)?;
        if held.is_some() {
            break;
        }
    }
    Ok(())
}

/// The key that wraps new data keys.
pub(crate) async fn current(
    transaction: &mut Transaction,
    master: &MasterKey,
) -> Result<EncryptionKey, KeyError> {
    let (id, sealed): (String, Option<String>) = on!(transaction.on(), |connection| sqlx::query_as(
        "SELECT k.id, s.sealed FROM encryption_key k LEFT JOIN encryption_key_seal s \
         ON s.encryption_key = k.id AND s.master = $1 WHERE k.is_current"
    )
    .bind(master.name())
    .fetch_one(connection)
    .await)
    .map_err(DatabaseError::from)?;
    EncryptionKey::open(&id, sealed.as_deref(), master)
}

/// Makes `key` the current one, unless there is one: the row is the verdict.
pub(crate) async fn insert_current(
    transaction: &mut Transaction,
    key: &EncryptionKey,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let made: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
        "INSERT INTO encryption_key (id, is_current, created_at) VALUES ($1, TRUE, $2) \
         ON CONFLICT DO NOTHING RETURNING id"
    )
    .bind(&key.id)
    .bind(now)
    .fetch_optional(connection)
    .await)?;
    Ok(made.is_some())
}

/// Keeps `key` as this master key seals it.
pub(crate) async fn insert_seal(
    transaction: &mut Transaction,
    key: &EncryptionKey,
    master: &MasterKey,
) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| {
        sqlx::query(
        "INSERT INTO encryption_key_seal (encryption_key, master, sealed) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
    )
    .bind(&key.id)
    .bind(master.name())
    .bind(key.sealed_by(master))
    .execute(connection)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Deletes the data key of `holder`, and with it the meaning of all that it sealed.
pub(crate) async fn delete(transaction: &mut Transaction, holder: &str) -> Result<(), DatabaseError> {
    on!(transaction.on(), |connection| sqlx::query("DELETE FROM data_key WHERE holder = $1")
        .bind(holder)
        .execute(connection)
        .await
        .map(drop))?;
    Ok(())
}
