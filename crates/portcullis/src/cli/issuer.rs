//! `portcullis issuer …`: identity providers whose word about a user is taken (ID-JAG), so that an enterprise decides which
//! clients act for its people.

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{IssuerError, IssuerId, TrustedIssuer, TrustedIssuers};
use portcullis_oauth::SystemClock;
use serde_json::{Value, json};

use super::confirm::Confirmation;
use super::key_source::{self, KeySource};
use super::output::{Format, print_fields, print_json, print_table, say, tick, time};
use super::store;
use crate::Problem;
use crate::config::Config;

/// What can be done with issuers.
#[derive(Debug, Subcommand)]
pub(super) enum IssuerCommand {
    /// Take an identity provider's word from now on
    #[command(after_help = "\
Examples:
  portcullis issuer add --issuer https://idp.example.com --jwks-uri https://idp.example.com/keys
  portcullis issuer add --issuer https://login.example.com --tenant 4711 --jwks keys.json
  portcullis user link ada@example.com --issuer https://idp.example.com --subject 00u1a2b3

A client that an administrator registered with --grant jwt_bearer, or whose metadata document names that grant and its
keys, presents the provider's identity assertion and gets an access token for the user, without a browser. Nobody is
asked: the provider decides. The user sees the client on the start page and can disconnect it; then it gets nothing
until the user allows it again.

Who somebody is here is said by `portcullis user link`. With --link-verified-email the provider may link a user for the
first time by an e-mail address that it verified; administrators are linked by command alone.")]
    Add(AddArguments),
    /// List every issuer that is trusted
    List(Format),
    /// Take an issuer's word no longer: what it vouched for ends, and who its users are is forgotten
    Remove(RemoveArguments),
}

/// An issuer, and one of its tenants.
#[derive(Debug, Args)]
pub(super) struct OneIssuer {
    /// The issuer, exactly as its assertions name it (iss)
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Its tenant, if its assertions name one; every other tenant is somebody else
    #[arg(long, value_name = "TENANT", default_value = "", hide_default_value = true)]
    tenant: String,
}

/// An issuer to be trusted.
#[derive(Debug, Args)]
pub(super) struct AddArguments {
    #[command(flatten)]
    one: OneIssuer,
    #[command(flatten)]
    keys: KeySource,
    /// May link a user for the first time by an e-mail address that it verified
    #[arg(long)]
    link_verified_email: bool,
    #[command(flatten)]
    format: Format,
}

/// An issuer to be trusted no longer.
#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    #[command(flatten)]
    one: OneIssuer,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    format: Format,
}

impl OneIssuer {
    /// The issuer as it is kept.
    pub(super) fn id(&self) -> Result<IssuerId, Problem> {
        IssuerId::parse(&self.issuer, &self.tenant)
            .map_err(|error| Problem::configuration(format!("{}: {error}", self.issuer)))
    }
}

/// Does what was asked.
pub(super) async fn run(command: IssuerCommand, config: &Config) -> Result<(), Problem> {
    match command {
        IssuerCommand::Add(arguments) => add(&arguments, config).await,
        IssuerCommand::List(format) => list(format, config).await,
        IssuerCommand::Remove(arguments) => remove(&arguments, config).await,
    }
}

async fn add(arguments: &AddArguments, config: &Config) -> Result<(), Problem> {
    let (id, keys) = (arguments.one.id()?, arguments.keys.read()?);
    // `serve` refuses it as well, whatever its public URL is then (IDJAG-8.3-1).
    if id.issuer == config.assumed_public_url()?.as_str() {
        return Err(Problem::configuration("this server cannot vouch for its users to itself"));
    }
    let issuers = TrustedIssuers::new(store::open(config).await?, Arc::new(SystemClock));
    let trusted =
        issuers.trust(id, keys, arguments.link_verified_email).await.map_err(|error| problem(&error))?;
    show(&trusted, arguments.format);
    Ok(())
}

async fn list(format: Format, config: &Config) -> Result<(), Problem> {
    let issuers = TrustedIssuers::new(store::open_existing(config).await?, Arc::new(SystemClock));
    let all = issuers.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(describe).collect());
    } else if all.is_empty() {
        say(&"No identity provider is trusted. `portcullis issuer add --help` tells what one can do.");
    } else {
        let row = |issuer: &TrustedIssuer| {
            vec![
                issuer.id.issuer.clone(),
                issuer.id.tenant.clone(),
                key_source::shown(&issuer.keys),
                tick(issuer.links_by_email),
                time(issuer.created_at),
            ]
        };
        print_table(&["issuer", "tenant", "keys", "links by e-mail", "since"], all.iter().map(row).collect());
    }
    Ok(())
}

async fn remove(arguments: &RemoveArguments, config: &Config) -> Result<(), Problem> {
    let id = arguments.one.id()?;
    let issuers = TrustedIssuers::new(store::open_existing(config).await?, Arc::new(SystemClock));
    let question = format!("Trust {} no longer, and end everything that it vouched for?", id.issuer);
    arguments.confirmation.obtain(&question, "remove the issuer")?;
    if !issuers.remove(&id).await.map_err(|error| Problem::caused(&error))? {
        return Err(problem(&IssuerError::Unknown));
    }
    if arguments.format.json {
        print_json(&json!({ "issuer": id.issuer, "tenant": id.tenant, "removed": true }));
    } else {
        eprintln!("{} is not trusted any more; what it vouched for has ended.", id.issuer);
    }
    Ok(())
}

/// An error of the store as one sentence.
pub(super) fn problem(error: &IssuerError) -> Problem {
    match error {
        IssuerError::Database(error) => Problem::caused(error),
        other => Problem::failed(other.to_string()),
    }
}

fn show(issuer: &TrustedIssuer, format: Format) {
    if format.json {
        return print_json(&describe(issuer));
    }
    print_fields(&[
        ("issuer", issuer.id.issuer.clone()),
        ("tenant", if issuer.id.tenant.is_empty() { "none".to_owned() } else { issuer.id.tenant.clone() }),
        ("keys", key_source::shown(&issuer.keys)),
        ("links by e-mail", tick(issuer.links_by_email)),
        ("since", time(issuer.created_at)),
    ]);
}

fn describe(issuer: &TrustedIssuer) -> Value {
    json!({
        "issuer": issuer.id.issuer,
        "tenant": issuer.id.tenant,
        "keys": issuer.keys,
        "links_by_email": issuer.links_by_email,
        "created_at": time(issuer.created_at),
    })
}
