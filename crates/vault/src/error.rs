//! What can go wrong with keys, in words for the person who has to mend it.

use std::path::PathBuf;

use portcullis_database::DatabaseError;

use crate::SealError;

/// The vault could not be unlocked. Each text is one sentence that says what to do; `source` names the place that the
/// master key came from.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file cannot be made.
    #[error("cannot create the master key {path}: {reason}; check that its folder exists and is writable")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the master key {path}: {reason}; let the user that runs Portcullis own it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: std::io::Error,
    },
    /// Group or others may read or change it.
    #[error("others can read the master key {0}; run `chmod 600` on it, so that only its owner can")]
    Exposed(PathBuf),
    /// The command that prints the key did not.
    #[error("master_key_command {program} gave no key: {reason}; run it by hand to see what it says")]
    Command {
        /// What was started.
        program: String,
        /// What happened.
        reason: String,
    },
    /// Not 32 bytes in base64.
    #[error("{0} is damaged: it must be 32 bytes in base64; restore it from a backup")]
    Damaged(String),
    /// There is a database that was sealed with a key, but no key.
    #[error("the master key {0} is missing, and the database was sealed with it; restore it from a backup")]
    Missing(PathBuf),
    /// The key is good, but not the one of this database.
    #[error(
        "{0} does not belong to this database; restore the key that was made with it, or use the database of this key"
    )]
    Foreign(String),
    /// The database's own key did not open.
    #[error(
        "{0} belongs to this database, but what it seals is damaged ({1}); restore the database from a backup"
    )]
    Broken(String, #[source] KeyError),
    /// The keys could not be read or written.
    #[error(
        "the master key could not be compared with the database; check that the database can be written to"
    )]
    Database(#[from] DatabaseError),
}

/// A key in the database, or what it seals, could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key that wraps data keys is not sealed by this master key, or is damaged.
    #[error("the encryption key {0} does not open; `portcullis keys verify` shows all that does not")]
    EncryptionKey(String),
    /// A data key is damaged or was moved.
    #[error("the data key of {0} does not open; `portcullis keys verify` shows all that does not")]
    DataKey(String),
    /// Nothing was ever sealed for it, or everything was forgotten.
    #[error("there is no data key of {0}")]
    NoDataKey(String),
    /// The value itself is damaged or was moved.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
