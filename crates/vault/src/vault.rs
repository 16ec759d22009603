//! The vault as others use it: sealing and opening at a place, forgetting, and keys of the server's own.

use std::fmt;
use std::sync::Arc;

use portcullis_database::{Database, DatabaseError, Transaction};
use portcullis_oauth::Timestamp;
use zeroize::Zeroizing;

use crate::keys::{self, Material};
use crate::{
    DataKey, KeyError, MasterKey, MasterKeySource, Place, Rotated, RotationError, Sealed, SealingKey,
    VaultError, Verified, rotation, unlock, verify,
};

/// Envelope encryption of credentials: each connection has a data key, which is wrapped by the current encryption key,
/// which is sealed by the master key. Only the master key and the server's own data key stay in memory. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    database: Database,
    master: MasterKey,
    server: Material,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// Unlocks the vault in `database` with the master key from `source`. The first start makes the keys; a database that
    /// was sealed before is never given another one.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub async fn unlock(
        source: &MasterKeySource,
        database: &Database,
        now: Timestamp,
    ) -> Result<Self, VaultError> {
        let (master, server) = unlock::unlock(source, database, now).await?;
        Ok(Self(Arc::new(Inner { database: database.clone(), master, server })))
    }

    /// Seals `plaintext` for `place`, under the data key of its connection, which is made if there is none. It holds if
    /// and only if the transaction commits.
    ///
    /// # Errors
    /// When a key does not open, or the store fails.
    pub async fn seal(
        &self,
        transaction: &mut Transaction,
        place: &Place<'_>,
        plaintext: &[u8],
    ) -> Result<Sealed, KeyError> {
        let material = keys::find_or_create(transaction, place.connection, &self.0.master).await?;
        Ok(keys::data_key(&material).seal(place, plaintext))
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// When it was moved or damaged, a key does not open, or the store fails.
    pub async fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Ok(self.data_key(place.connection).await?.open(place, sealed)?)
    }

    /// The key that opens everything of one connection.
    ///
    /// # Errors
    /// When there is none or it does not open, or the store fails.
    pub async fn data_key(&self, connection: &str) -> Result<DataKey, KeyError> {
        let found = keys::find(&self.0.database, connection, &self.0.master).await?;
        found
            .map(|material| keys::data_key(&material))
            .ok_or_else(|| KeyError::NoDataKey(connection.to_owned()))
    }

    /// Forgets the data key of a connection: whatever it sealed opens nowhere any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, transaction: &mut Transaction, connection: &str) -> Result<(), DatabaseError> {
        keys::delete(transaction, connection).await
    }

    /// A key of the server's own for one use, told apart by its label: the same on every node, and the same after every
    /// rotation.
    #[must_use]
    pub fn server_key(&self, label: &[u8]) -> SealingKey {
        SealingKey::derive(&self.0.server, label)
    }

    /// Puts a new encryption key in the place of the current one and wraps every data key anew, in small batches, while
    /// everybody goes on; or goes on with a rotation that was cut off. With a `successor`, every encryption key is sealed
    /// by that master key too, so that nodes can be given it one by one.
    ///
    /// # Errors
    /// When a master key is being replaced, a key does not open, or the store fails. What was wrapped anew stays so.
    pub async fn rotate(
        &self,
        successor: Option<&MasterKey>,
        now: Timestamp,
    ) -> Result<Rotated, RotationError> {
        let Inner { database, master, .. } = &*self.0;
        if successor.is_some_and(|successor| successor.name() == master.name()) {
            return Err(RotationError::SameMasterKey);
        }
        let (current, resumed) = rotation::begin(database, master, successor, now).await?;
        let mut rotated =
            Rotated { current, resumed, rewrapped: 0, damaged: Vec::new(), retired: Vec::new() };
        let mut after = String::new();
        loop {
            let batch = rotation::rewrap(database, master, &after, rotation::BATCH).await?;
            rotated.rewrapped += batch.rewrapped;
            rotated.damaged.extend(batch.damaged);
            let Some(last) = batch.last else { break };
            after = last;
            // Between two batches others get their turn.
            tokio::task::yield_now().await;
        }
        rotated.retired = rotation::retire(database, now).await?;
        Ok(rotated)
    }

    /// Ends the replacement of a master key: what another one than this vault's sealed is deleted, so that no other opens
    /// anything here. Says how many master keys were forgotten.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_other_master_keys(&self, now: Timestamp) -> Result<usize, DatabaseError> {
        rotation::forget_other_masters(&self.0.database, &self.0.master, now).await
    }

    /// Opens every key in the database.
    ///
    /// # Errors
    /// When the store fails. A key that does not open is no error here: it is told.
    pub async fn verify(&self) -> Result<[Verified; 2], DatabaseError> {
        let Inner { database, master, .. } = &*self.0;
        Ok([verify::encryption_keys(database, master).await?, verify::data_keys(database, master).await?])
    }

    /// The key for one use as releases had it that knew no encryption keys: opens what they sealed.
    #[must_use]
    pub fn former_server_key(&self, label: &[u8]) -> SealingKey {
        self.0.master.sealing_key(label)
    }
}
