//! What can go wrong with the master key, in words for the person who has to mend it.

use std::path::PathBuf;

use portcullis_database::DatabaseError;

/// The vault could not be opened. Each text is one sentence that says what to do.
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
    /// Not 32 bytes in base64url.
    #[error("the master key {0} is damaged; restore it from a backup")]
    Damaged(PathBuf),
    /// There is a database that was sealed with a key, but no key.
    #[error("the master key {0} is missing, and the database was sealed with it; restore it from a backup")]
    Missing(PathBuf),
    /// The key is good, but not the one of this database.
    #[error(
        "the master key {0} does not belong to this database; restore the key that was made with it, or use the database of this key"
    )]
    Foreign(PathBuf),
    /// The check row could not be read or written.
    #[error(
        "the master key could not be compared with the database; check that the database can be written to"
    )]
    Database(#[from] DatabaseError),
}
