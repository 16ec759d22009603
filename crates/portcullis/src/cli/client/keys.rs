//! Clients that prove themselves by a key (`private_key_jwt`): their keys, and what their assertions may be addressed to.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use portcullis_oauth::jose::{AssertionAudience, ClientKeys, Jwk};
use serde_json::{Value, json};

use super::{OneClient, existing, find, show};
use crate::Problem;
use crate::cli::confirm::Confirmation;
use crate::config::Config;

/// Where the public keys are.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct KeyArguments {
    /// Proves itself by a key (`private_key_jwt`): one of these public keys, a JWK or a JWK set
    #[arg(long, value_name = "FILE", conflicts_with_all = ["jwks_uri", "confidential"])]
    pub(super) jwks: Option<PathBuf>,
    /// Proves itself by a key: one of those that are published there
    #[arg(long, value_name = "URL", conflicts_with = "confidential")]
    pub(super) jwks_uri: Option<String>,
}

/// Other keys for a client.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetKeysArguments {
    #[command(flatten)]
    one: OneClient,
    #[command(flatten)]
    keys: KeysAlone,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// As [`KeyArguments`], where there must be some.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct KeysAlone {
    /// These public keys, a JWK or a JWK set
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Those that are published there
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
}

/// What a client may name as the audience of its assertions.
#[derive(Debug, Args)]
pub(in crate::cli) struct AudienceArguments {
    #[command(flatten)]
    one: OneClient,
    /// `issuer` alone, as it should be; with `token-url` also the URL of the token endpoint, for clients that know no better
    #[arg(value_name = "AUDIENCE", value_parser = PossibleValuesParser::new(AssertionAudience::ALL.map(AssertionAudience::as_str)).map(|name| AssertionAudience::parse(&name).unwrap_or_default()))]
    audience: AssertionAudience,
}

impl KeyArguments {
    /// The keys, if there are any.
    pub(super) fn read(&self) -> Result<Option<ClientKeys>, Problem> {
        let keys = match (&self.jwks, &self.jwks_uri) {
            (Some(file), _) => from_file(file).map(Some),
            (None, Some(uri)) => ClientKeys::at(uri).map(Some).map_err(|error| error.to_string()),
            (None, None) => Ok(None),
        };
        keys.map_err(Problem::configuration)
    }
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

pub(super) async fn set_keys(arguments: SetKeysArguments, config: &Config) -> Result<(), Problem> {
    let SetKeysArguments { one, keys: KeysAlone { jwks, jwks_uri }, confirmation } = arguments;
    let clients = existing(config).await?;
    let client = find(&clients, &one.id).await?;
    let Some(keys) = (KeyArguments { jwks, jwks_uri }).read()? else {
        return Err(Problem::configuration("name the keys with --jwks or --jwks-uri"));
    };
    let question = format!("Replace the keys of {}, and end everything that it was granted?", client.id);
    confirmation.obtain(&question, "replace the keys")?;
    if !clients.replace_keys(&client.id, keys).await.map_err(|error| Problem::caused(&error))? {
        return Err(Problem::failed(format!(
            "{} is no client that an admin registered with keys: nothing was changed",
            client.id
        )));
    }
    show(&find(&clients, &one.id).await?, None, one.format)
}

pub(super) async fn set_audience(arguments: &AudienceArguments, config: &Config) -> Result<(), Problem> {
    let clients = existing(config).await?;
    let client = find(&clients, &arguments.one.id).await?;
    let set = clients.set_assertion_audience(&client.id, arguments.audience).await;
    set.map_err(|error| Problem::caused(&error))?;
    show(&find(&clients, &arguments.one.id).await?, None, arguments.one.format)
}

/// Keys as people compare them: by thumbprint (RFC 7638), or by where they are.
pub(super) fn shown(keys: &ClientKeys) -> String {
    match keys {
        ClientKeys::Set(set) => set.keys.iter().map(Jwk::thumbprint).collect::<Vec<_>>().join("\n"),
        ClientKeys::Uri(uri) => uri.clone(),
    }
}
