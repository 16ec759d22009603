//! Clients that prove themselves by a key (`private_key_jwt`): their keys, and what their assertions may be addressed to.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use portcullis_oauth::jose::{AssertionAudience, ClientKeys};

use super::{OneClient, existing, find, show};
use crate::Problem;
use crate::cli::confirm::Confirmation;
use crate::cli::key_source::{self, KeySource};
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
    keys: KeySource,
    #[command(flatten)]
    confirmation: Confirmation,
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
        key_source::read(self.jwks.as_deref(), self.jwks_uri.as_deref())
    }
}

pub(super) async fn set_keys(arguments: SetKeysArguments, config: &Config) -> Result<(), Problem> {
    let SetKeysArguments { one, keys, confirmation } = arguments;
    let clients = existing(config).await?;
    let client = find(&clients, &one.id).await?;
    let keys = keys.read()?;
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
