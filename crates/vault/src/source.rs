//! Where the master key comes from: a file of its own, the environment, or a command that asks a key store.

use std::fmt;
use std::path::PathBuf;

use portcullis_oauth::Secret;

use crate::{MasterKey, VaultError, command};

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// This file, which the first start makes.
    File(PathBuf),
    /// The environment variable `PORTCULLIS_MASTER_KEY`, which holds this.
    Environment(Secret),
    /// What this program with these arguments prints.
    Command(Vec<String>),
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
            Self::Environment(text) => self.parse(text.expose().as_bytes()),
            Self::Command(argv) => {
                let program = || argv.first().cloned().unwrap_or_default();
                let printed = command::output(argv).await;
                let printed = printed.map_err(|reason| VaultError::Command { program: program(), reason })?;
                self.parse(&printed)
            }
        }
    }

    /// Whether a key is there, as far as can be told without making one and without starting anything.
    ///
    /// # Errors
    /// When what is there is no key, or others can read it.
    pub fn is_there(&self) -> Result<bool, VaultError> {
        match self {
            Self::File(path) => Ok(MasterKey::read(path)?.is_some()),
            Self::Environment(text) => self.parse(text.expose().as_bytes()).map(|_| true),
            Self::Command(_) => Ok(true),
        }
    }

    fn parse(&self, text: &[u8]) -> Result<MasterKey, VaultError> {
        MasterKey::parse(text).ok_or_else(|| VaultError::Damaged(self.to_string()))
    }
}

impl fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the master key {}", path.display()),
            Self::Environment(_) => f.write_str("the master key in PORTCULLIS_MASTER_KEY"),
            Self::Command(argv) => {
                write!(f, "the master key that {} prints", argv.first().map_or("nothing", String::as_str))
            }
        }
    }
}
