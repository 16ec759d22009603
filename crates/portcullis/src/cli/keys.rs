//! `portcullis keys …`: the keys that sign tokens, and those that seal what is secret in the database. Other processes
//! learn of a change within a second.

mod encryption;

use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use portcullis_authorization_server::{KeptKey, KeyUse, SigningKeyError, SigningKeys};
use portcullis_database::Database;
use portcullis_oauth::jose::Algorithm;
use portcullis_oauth::{Clock, SystemClock, Timestamp};
use portcullis_vault::Vault;
use serde_json::{Value, json};

use super::confirm::Confirmation;
use super::output::{Format, print_json, print_table, say, time};
use super::store;
use crate::Problem;
use crate::config::Config;

/// What can be done with signing keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List every key, newest first
    List(Format),
    /// Replace a key: the new one is published at once and signs once everybody can know it
    #[command(after_help = "\
The old key stays published until the last token that it signed has expired. Nothing has to be restarted.")]
    Rotate(RotateArguments),
    /// Take a key out of use at once, as when somebody else may have it
    #[command(after_help = "\
Servers that check tokens by themselves refuse what it signed as soon as they fetch our keys again, which ours do every
five minutes; clients refresh and get tokens of another key. If it was the only one, the next token makes a new one.")]
    Retire(RetireArguments),
    /// Replace the key that wraps the keys of all credentials, while the server goes on
    #[command(after_help = "\
Credentials stay as they are; a key of each connection is wrapped anew. Run it again if it was cut off. Whoever had both the
master key and the database before knows the credentials themselves: renew those at the upstream servers.

Examples:
  portcullis keys rotate-encryption
  portcullis keys rotate-encryption --replace-master-key new.key
  portcullis keys rotate-encryption --forget-old-master-key")]
    RotateEncryption(encryption::RotateArguments),
    /// Open everything that is sealed in the database, and say what does not open
    Verify(Format),
}

/// A key to be replaced.
#[derive(Debug, Args)]
pub(super) struct RotateArguments {
    /// What the new key signs with [default: what the configuration says]
    #[arg(long, value_name = "ALGORITHM", value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::as_str)).try_map(|name| Algorithm::parse(&name).ok_or("no such algorithm")))]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    format: Format,
}

/// A key to be retired.
#[derive(Debug, Args)]
pub(super) struct RetireArguments {
    /// The key's name, as `keys list` shows it
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    format: Format,
}

/// Does what was asked.
pub(super) async fn run(command: KeysCommand, config: &Config) -> Result<(), Problem> {
    let (database, vault) = open(config).await?;
    let keys = SigningKeys::new(database.clone(), Arc::new(SystemClock), &vault);
    match command {
        KeysCommand::List(format) => list(&keys, format).await,
        KeysCommand::Rotate(arguments) => {
            let algorithm = arguments.algorithm.unwrap_or(config.signing_algorithm);
            rotate(&keys, algorithm, arguments.format).await
        }
        KeysCommand::Retire(arguments) => retire(&keys, &arguments).await,
        KeysCommand::RotateEncryption(arguments) => encryption::rotate(&arguments, database, &vault).await,
        KeysCommand::Verify(format) => encryption::verify(format, database, &vault).await,
    }
}

async fn open(config: &Config) -> Result<(Database, Vault), Problem> {
    let database = store::open_existing(config).await?;
    let vault = Vault::unlock(&config.master_key, &database, SystemClock.now()).await;
    Ok((database, vault.map_err(|error| Problem::caused(&error))?))
}

async fn all(keys: &SigningKeys) -> Result<Vec<KeptKey>, Problem> {
    keys.list().await.map_err(|error: SigningKeyError| Problem::caused(&error))
}

async fn list(keys: &SigningKeys, format: Format) -> Result<(), Problem> {
    let (all, now) = (all(keys).await?, SystemClock.now());
    if format.json {
        print_json(&(0..all.len()).map(|place| describe(&all, place, now)).collect());
    } else if all.is_empty() {
        say(&"No key yet: the first is made when a token is first signed, or by `portcullis keys rotate`.");
    } else {
        let row = |place: usize| {
            let key = &all[place];
            vec![
                key.kid().to_owned(),
                key.algorithm().as_str().to_owned(),
                told(KeyUse::of(&all, place, now), key),
                time(key.created_at),
            ]
        };
        print_table(&["kid", "algorithm", "use", "created"], (0..all.len()).map(row).collect());
    }
    Ok(())
}

async fn rotate(keys: &SigningKeys, algorithm: Algorithm, format: Format) -> Result<(), Problem> {
    let new = keys.rotate(algorithm).await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        let (all, now) = (all(keys).await?, SystemClock.now());
        let place = all.iter().position(|key| key.kid() == new.kid());
        print_json(&place.map_or(Value::Null, |place| describe(&all, place, now)));
    } else {
        say(&format_args!(
            "{} is published; it signs with {} from {} on.",
            new.kid(),
            algorithm.as_str(),
            time(new.activates_at)
        ));
    }
    Ok(())
}

async fn retire(keys: &SigningKeys, arguments: &RetireArguments) -> Result<(), Problem> {
    let kid = &arguments.kid;
    if !all(keys).await?.iter().any(|key| key.kid() == kid) {
        return Err(unknown(kid));
    }
    let question = format!("Retire {kid}, so that what it signed is refused by servers that check it?");
    arguments.confirmation.obtain(&question, "retire the key")?;
    if !keys.retire(kid).await.map_err(|error| Problem::caused(&error))? {
        return Err(unknown(kid));
    }
    if arguments.format.json {
        print_json(&json!({ "kid": kid, "retired": true }));
    } else {
        eprintln!("{kid} is retired.");
    }
    Ok(())
}

fn unknown(kid: &str) -> Problem {
    Problem::failed(format!("no key has the name {kid}; `portcullis keys list` shows every key"))
}

fn told(used: KeyUse, key: &KeptKey) -> String {
    match used {
        KeyUse::Waiting => format!("signs from {}", time(key.activates_at)),
        KeyUse::Signing => "signs".to_owned(),
        KeyUse::Verifying { until } => format!("verifies until {}", time(until)),
        KeyUse::Over => "over".to_owned(),
    }
}

fn describe(all: &[KeptKey], place: usize, now: Timestamp) -> Value {
    let key = &all[place];
    let (word, until) = match KeyUse::of(all, place, now) {
        KeyUse::Waiting => ("waiting", None),
        KeyUse::Signing => ("signing", None),
        KeyUse::Verifying { until } => ("verifying", Some(time(until))),
        KeyUse::Over => ("over", None),
    };
    json!({
        "kid": key.kid(),
        "algorithm": key.algorithm(),
        "use": word,
        "until": until,
        "created_at": time(key.created_at),
        "activates_at": time(key.activates_at),
        "public": key.key.public(),
    })
}
