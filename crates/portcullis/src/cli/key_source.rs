//! Public keys as commands take them: from a file, or from where somebody publishes them.

use std::path::{Path, PathBuf};

use clap::Args;
use portcullis_oauth::jose::{ClientKeys, Jwk};
use serde_json::{Value, json};

use crate::Problem;

/// Keys that must be named.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct KeySource {
    /// These public keys, a JWK or a JWK set
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Those that are published there
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
}

impl KeySource {
    /// The keys.
    pub(super) fn read(&self) -> Result<ClientKeys, Problem> {
        let keys = read(self.jwks.as_deref(), self.jwks_uri.as_deref())?;
        keys.ok_or_else(|| Problem::configuration("name the keys with --jwks or --jwks-uri"))
    }
}

/// The keys in this file or at this URL, if either is named.
pub(super) fn read(file: Option<&Path>, uri: Option<&str>) -> Result<Option<ClientKeys>, Problem> {
    let keys = match (file, uri) {
        (Some(file), _) => from_file(file).map(Some),
        (None, Some(uri)) => ClientKeys::at(uri).map(Some).map_err(|error| error.to_string()),
        (None, None) => Ok(None),
    };
    keys.map_err(Problem::configuration)
}

/// One key alone is a set of one (RFC 7517 §4, §5).
fn from_file(file: &Path) -> Result<ClientKeys, String> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let document: Value =
        serde_json::from_slice(&text).map_err(|error| format!("{shown} is not JSON: {error}"))?;
    let set = if document.get("keys").is_some() { document } else { json!({ "keys": [document] }) };
    ClientKeys::set(&set).map_err(|error| format!("{shown}: {error}"))
}

/// Keys as people compare them: by thumbprint (RFC 7638), or by where they are.
pub(super) fn shown(keys: &ClientKeys) -> String {
    match keys {
        ClientKeys::Set(set) => set.keys.iter().map(Jwk::thumbprint).collect::<Vec<_>>().join("\n"),
        ClientKeys::Uri(uri) => uri.clone(),
    }
}
