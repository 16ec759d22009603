//! Where the master key comes from: a file of its own, the environment, or a command that asks a key store.

use std::fmt;
use std::path::PathBuf;

use portcullis_oauth::Secret;

use crate::{MasterKey, VaultError};

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// This file, which the first start makes.
    File(PathBuf),
    /// The environment variable `PORTCULLIS_MASTER_KEY`, which holds this.
    Environment(Secret),
}

impl MasterKeySource {
    /// The key. A file that is not there is made unless the database `is_sealed` already: then a new key would open
    /// nothing.
    pub(crate) async fn key(&self, is_sealed: bool) -> Result<MasterKey, VaultError> {
        match self {
            Self::File(path) if is_sealed => {
                MasterKey::read(path)?.ok_or_else(|| VaultError::Missing(path.clone()))
            }
            Self::File(path) => MasterKey::open_or_create(path),
            Self::Environment(text) => MasterKey::parse(text.expose().as_bytes())
                .ok_or_else(|| VaultError::Damaged(self.to_string())),
        }
    }
}

impl fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the master key {}", path.display()),
            Self::Environment(_) => f.write_str("the master key in PORTCULLIS_MASTER_KEY"),
        }
    }
}
