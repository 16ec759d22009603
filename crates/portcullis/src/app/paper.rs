//! How this process keeps its paper trail: under which name, for how long, where checkpoints go, and what signs them.

use std::fs::read_to_string;
use std::io::ErrorKind;
use std::sync::Arc;

use portcullis_audit::{Keeping, Redaction, Signer};
use portcullis_database::Database;
use portcullis_oauth::random_handle;
use portcullis_vault::{SealingKey, Vault};

use crate::Problem;
use crate::config::{AuditDurability, Config};
use crate::serve::folder;

/// So many characters tell nodes of one database apart.
const NAME: usize = 8;

/// The name of this node: the setting, else the one that its data folder keeps; the first start draws it.
///
/// # Errors
/// When the folder's file can be neither made nor read.
pub(crate) fn node(config: &Config) -> Result<String, Problem> {
    if let Some(name) = &config.node {
        return Ok(name.clone());
    }
    let path = config.node_file();
    let failed = |error: std::io::Error| {
        let path = path.display();
        Problem::failed(format!(
            "cannot keep this node's name in {path}: {error}; let this user write there, or name it with the setting node"
        ))
    };
    let read = match read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            folder::write_once(&path, drawn().as_bytes()).and_then(|()| read_to_string(&path))
        }
        read => read,
    };
    Ok(read.map_err(failed)?.trim().to_owned())
}

/// The name of the command line on this node: its records are chained apart, since it comes and goes.
///
/// # Errors
/// As [`node`].
pub(crate) fn command_line(config: &Config) -> Result<String, Problem> {
    Ok(format!("{}-cli", node(config)?))
}

fn drawn() -> String {
    let handle = random_handle("");
    let letters = handle.chars().filter(char::is_ascii_alphanumeric).take(NAME);
    format!("node-{}\n", letters.collect::<String>().to_lowercase())
}

/// The database as this node uses it.
///
/// # Errors
/// As [`node`].
pub fn database(database: &Database, config: &Config) -> Result<Database, Problem> {
    let database = database.as_node(&node(config)?);
    Ok(match config.audit_durability {
        AuditDurability::Strict => database.synced(),
        AuditDurability::Engine | AuditDurability::Relaxed => database,
    })
}

/// The database as events are written to it.
pub(super) fn records(database: &Database, config: &Config) -> Database {
    match config.audit_durability {
        AuditDurability::Relaxed => database.unsynced(),
        AuditDurability::Engine | AuditDurability::Strict => database.clone(),
    }
}

/// How events are kept.
pub(crate) fn keeping(config: &Config, vault: &Vault) -> Keeping {
    let key = CheckpointKey(vault.server_key(b"portcullis audit checkpoint v1"));
    Keeping {
        signer: Some(Arc::new(key)),
        anchors: Some(config.audit_folder()),
        kept: config.audit_kept,
        redaction: Redaction::with_words(&config.audit_redact),
    }
}

/// Signs with a key that the vault gives: a sealed nothing, whose associated data is the text, is the cipher's
/// authenticator of that text.
#[derive(Debug)]
struct CheckpointKey(SealingKey);

impl Signer for CheckpointKey {
    fn sign(&self, text: &[u8]) -> String {
        self.0.seal(b"", text)
    }

    fn is_ours(&self, text: &[u8], signature: &str) -> bool {
        self.0.open(signature, text).is_ok_and(|nothing| nothing.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_text_and_one_key() {
        let key = |name: &str| CheckpointKey(SealingKey::derive(name.as_bytes(), b"test"));
        let signature = key("one").sign(b"the end");
        assert!(key("one").is_ours(b"the end", &signature));
        assert!(!key("one").is_ours(b"another end", &signature) && !key("one").is_ours(b"the end", ""));
        assert!(!key("two").is_ours(b"the end", &signature));
    }
}
