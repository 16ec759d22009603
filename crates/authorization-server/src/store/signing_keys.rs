//! `signing_key`: the keys that sign tokens, their private halves sealed by the vault, each for its own row.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::jose::{Algorithm, SigningError, SigningKey};
use portcullis_oauth::{Clock, Seconds, Timestamp};
use portcullis_vault::{SealError, SealingKey, Vault, Verified};
use zeroize::Zeroizing;

/// Under this label the vault gives the key that seals private keys.
const SEAL_LABEL: &[u8] = b"portcullis signing key v1";
/// A new key is published for so long before it signs: longer than anybody keeps our set of keys (KEYS-7517-2).
const PUBLISHED_AHEAD: Seconds = Seconds::minutes(15);

/// Why a key was not made, read or retired.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The mathematics failed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The row does not belong to this vault.
    #[error("the private key {kid} did not open: {reason}")]
    Sealed {
        /// Which.
        kid: String,
        /// Why.
        #[source]
        reason: SealError,
    },
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A signing key as kept.
#[derive(Debug)]
pub struct KeptKey {
    /// The key itself.
    pub key: Arc<SigningKey>,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// From when on it signs, if it is the newest then.
    pub activates_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    kid: String,
    algorithm: String,
    private: String,
    created_at: Timestamp,
    activates_at: Timestamp,
}

/// The signing keys of this server.
#[derive(Clone)]
pub struct SigningKeys {
    database: Database,
    clock: Arc<dyn Clock>,
    seal: Arc<SealingKey>,
    /// Opens what was sealed before the vault had keys in the database.
    former: Arc<SealingKey>,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKeys")
    }
}

impl SigningKeys {
    /// The keys kept in `database`, sealed by `vault`.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>, vault: &Vault) -> Self {
        let seal = Arc::new(vault.server_key(SEAL_LABEL));
        Self { database, clock, seal, former: Arc::new(vault.former_server_key(SEAL_LABEL)) }
    }

    /// Every key that was not retired, newest first.
    ///
    /// # Errors
    /// When the database does not answer, or a row does not open.
    pub async fn list(&self) -> Result<Vec<KeptKey>, SigningKeyError> {
        let rows: Vec<Row> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT kid, algorithm, private, created_at, activates_at FROM signing_key \
             WHERE retired_at IS NULL ORDER BY activates_at DESC, kid"
        )
        .fetch_all(pool)
        .await)
        .map_err(DatabaseError::from)?;
        rows.iter().map(|row| self.open(row)).collect()
    }

    /// Makes the key that a token needs now, unless another request or node has just done so: the row is the verdict.
    pub(crate) async fn create_needed(
        &self,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<(), SigningKeyError> {
        let kept = generate(algorithm, (now, now)).await?;
        let mut transaction = self.database.begin().await?;
        if self.insert(&mut transaction, &kept, true).await? {
            note(&mut transaction, kept.kid(), "signing_key_created", kept.created_at).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Makes a key that replaces the present one once everybody can have learned of it (KEYS-7517-2); at once, if there
    /// is none to replace.
    ///
    /// # Errors
    /// When it cannot be made or kept.
    pub async fn rotate(&self, algorithm: Algorithm) -> Result<KeptKey, SigningKeyError> {
        let is_first = self.list().await?.iter().all(|key| key.algorithm() != algorithm);
        let now = self.clock.now();
        let activates_at = if is_first { now } else { now.plus(PUBLISHED_AHEAD) };
        let kept = generate(algorithm, (now, activates_at)).await?;
        let mut transaction = self.database.begin().await?;
        self.insert(&mut transaction, &kept, false).await?;
        note(&mut transaction, kept.kid(), "signing_key_created", kept.created_at).await?;
        transaction.commit().await?;
        Ok(kept)
    }

    /// Takes a key out of use at once: what it signed is worth nothing from here on. `false` when there is no such key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retire(&self, kid: &str) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let found: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "UPDATE signing_key SET retired_at = $2 WHERE kid = $1 AND retired_at IS NULL RETURNING kid"
        )
        .bind(kid)
        .bind(now)
        .fetch_optional(connection)
        .await)?;
        if found.is_none() {
            return Ok(false);
        }
        note(&mut transaction, kid, "signing_key_retired", now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes retired keys, and those that a newer one replaced before `before`: nothing that they signed lives.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM signing_key WHERE kid IN (SELECT k.kid FROM signing_key k WHERE k.retired_at < $1 OR EXISTS \
                   (SELECT 1 FROM signing_key n WHERE n.algorithm = k.algorithm AND n.retired_at IS NULL \
                   AND n.activates_at > k.activates_at AND n.activates_at < $1))";
        self.database.sweep(sql, before).await
    }

    /// Seals by the vault's keys what the master key itself sealed in former releases, so that it outlives that key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reseal(&self) -> Result<(), DatabaseError> {
        for (kid, private) in self.privates().await? {
            let Ok(der) = self.former.open(&private, kid.as_bytes()) else { continue };
            on!(self.database.write(), |pool| sqlx::query(
                "UPDATE signing_key SET private = $3 WHERE kid = $1 AND private = $2"
            )
            .bind(&kid)
            .bind(&private)
            .bind(self.seal.seal(&der, kid.as_bytes()))
            .execute(pool)
            .await
            .map(drop))?;
        }
        Ok(())
    }

    /// Opens every key, retired ones too.
    ///
    /// # Errors
    /// When the database does not answer. A key that does not open is no error here: it is told.
    pub async fn verify(&self) -> Result<Verified, DatabaseError> {
        let mut verified = Verified::new("signing keys");
        for (kid, private) in self.privates().await? {
            verified.count(&self.unseal(&kid, &private), || kid.clone());
        }
        Ok(verified)
    }

    async fn privates(&self) -> Result<Vec<(String, String)>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT kid, private FROM signing_key ORDER BY created_at, kid"
        )
        .fetch_all(pool)
        .await)?)
    }

    fn unseal(&self, kid: &str, private: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let opened = self.seal.open(private, kid.as_bytes());
        opened.or_else(|_| self.former.open(private, kid.as_bytes()))
    }

    /// `false`: a key was needed, and somebody else has made one.
    async fn insert(
        &self,
        transaction: &mut Transaction,
        kept: &KeptKey,
        needed: bool,
    ) -> Result<bool, SigningKeyError> {
        let der = kept.key.to_pkcs8()?;
        let private = self.seal.seal(&der, kept.kid().as_bytes());
        let inserted: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO signing_key (kid, algorithm, public, private, created_at, activates_at, needed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING kid"
        )
        .bind(kept.kid())
        .bind(kept.algorithm().as_str())
        .bind(kept.key.public().to_json().to_string())
        .bind(private)
        .bind(kept.created_at)
        .bind(kept.activates_at)
        .bind(needed)
        .fetch_optional(connection)
        .await)
        .map_err(DatabaseError::from)?;
        Ok(inserted.is_some())
    }

    fn open(&self, row: &Row) -> Result<KeptKey, SigningKeyError> {
        let sealed = |reason| SigningKeyError::Sealed { kid: row.kid.clone(), reason };
        let der = self.unseal(&row.kid, &row.private).map_err(sealed)?;
        let algorithm = Algorithm::parse(&row.algorithm).ok_or(SigningError)?;
        let key = Arc::new(SigningKey::from_pkcs8(algorithm, &der)?);
        Ok(KeptKey { key, created_at: row.created_at, activates_at: row.activates_at })
    }
}

async fn generate(
    algorithm: Algorithm,
    (created_at, activates_at): (Timestamp, Timestamp),
) -> Result<KeptKey, SigningKeyError> {
    // An RSA key takes a tenth of a second.
    let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    let key = Arc::new(made.map_err(|_| SigningError)??);
    Ok(KeptKey { key, created_at, activates_at })
}

impl KeptKey {
    /// Its name: the thumbprint of its public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.key.public().kid().unwrap_or_default()
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.public().algorithm()
    }
}

/// The paper trail of a change, and what tells every node's caches, in the transaction that makes it.
async fn note(
    transaction: &mut Transaction,
    kid: &str,
    what: &'static str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let event = Event::new(now, Action::KeyChange, Outcome::Done).because(what);
    let event = event.with(serde_json::json!({ "kid": kid }));
    portcullis_audit::record_in(transaction, event).await?;
    transaction.record_change(&Change::new(ChangeKind::SigningKey, kid), now).await
}
