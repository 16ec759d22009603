//! `portcullis upstream-client …`: who this gateway is at an upstream's authorization server that lets no client register by
//! itself.

use std::io::{BufRead, stdin};
use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_oauth::{ClientId, Clock, Secret, SystemClock};
use portcullis_resource_server::{GivenClient, GivenClientError, GivenClients};
use portcullis_vault::Vault;
use serde_json::{Value, json};

use super::confirm::Confirmation;
use super::output::{Format, print_fields, print_json, print_table, say, tick, time};
use super::store;
use crate::Problem;
use crate::config::Config;

/// Longer lines are no secrets.
const LONGEST: u64 = 4_096;

/// What can be done with the gateway's own clients.
#[derive(Debug, Subcommand)]
pub(super) enum UpstreamClientCommand {
    /// Use a client that you registered at a server's authorization server
    #[command(after_help = "\
Example:
  portcullis upstream-client set github --issuer https://github.com/login/oauth --client-id Iv1.0a1b --secret-stdin < secret

Register the client there with the redirect URI that is printed. Whoever connects to the server is sent to that issuer
with this client; when the server names another issuer one day, nobody is, and the error says so.")]
    Set(SetArguments),
    /// List them, without their secrets
    List(Format),
    /// Take one away: its tokens are renewed no longer
    Remove(RemoveArguments),
}

/// A client to be used.
#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// The server's name in the catalogue
    #[arg(value_name = "SERVER")]
    server: String,
    /// The authorization server's issuer, exactly as its metadata names it
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The client identifier that it gave
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Read the client's secret from the first line of standard input
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    format: Format,
}

/// A client to be taken away.
#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// The server's name in the catalogue
    #[arg(value_name = "SERVER")]
    server: String,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    format: Format,
}

/// Does what was asked.
pub(super) async fn run(command: UpstreamClientCommand, config: &Config) -> Result<(), Problem> {
    match command {
        UpstreamClientCommand::Set(arguments) => set(&arguments, config).await,
        UpstreamClientCommand::List(format) => list(format, config).await,
        UpstreamClientCommand::Remove(arguments) => remove(&arguments, config).await,
    }
}

async fn open(config: &Config) -> Result<GivenClients, Problem> {
    let database = store::open_existing(config).await?;
    let vault = Vault::unlock(&config.master_key, &database, SystemClock.now()).await;
    let vault = vault.map_err(|error| Problem::caused(&error))?;
    Ok(GivenClients::new(database, Arc::new(SystemClock), &vault, config.assumed_public_url()?))
}

async fn set(arguments: &SetArguments, config: &Config) -> Result<(), Problem> {
    let secret = if arguments.secret_stdin { Some(first_line(stdin().lock())?) } else { None };
    let client = (ClientId::from(arguments.client_id.clone()), secret);
    let given = open(config).await?.give(&arguments.server, &arguments.issuer, client).await;
    let given = given.map_err(|error| problem(&arguments.server, &error))?;
    if arguments.format.json {
        print_json(&describe(&given));
    } else {
        print_fields(&[
            ("server", given.server),
            ("issuer", given.issuer),
            ("client id", given.client_id.to_string()),
            ("redirect URI to register there", given.redirect_uri),
        ]);
    }
    Ok(())
}

async fn list(format: Format, config: &Config) -> Result<(), Problem> {
    let all = open(config).await?.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(describe).collect());
    } else if all.is_empty() {
        say(&"No client was given; the gateway registers itself where it can.");
    } else {
        let row = |client: &GivenClient| {
            vec![
                client.server.clone(),
                client.issuer.clone(),
                client.client_id.to_string(),
                tick(client.has_secret),
                client.redirect_uri.clone(),
                time(client.given_at),
            ]
        };
        let heading = ["server", "issuer", "client id", "secret", "redirect URI", "since"];
        print_table(&heading, all.iter().map(row).collect());
    }
    Ok(())
}

async fn remove(arguments: &RemoveArguments, config: &Config) -> Result<(), Problem> {
    let server = &arguments.server;
    let question = format!("Take the client for {server} away, so that its users have to authorise again?");
    arguments.confirmation.obtain(&question, "take the client away")?;
    if !open(config).await?.remove(server).await.map_err(|error| Problem::caused(&error))? {
        return Err(Problem::failed(format!("no client was given for {server}")));
    }
    if arguments.format.json {
        print_json(&json!({ "server": server, "removed": true }));
    } else {
        eprintln!("The client for {server} is gone.");
    }
    Ok(())
}

fn describe(client: &GivenClient) -> Value {
    json!({
        "server": client.server, "issuer": client.issuer, "client_id": client.client_id,
        "has_secret": client.has_secret, "redirect_uri": client.redirect_uri, "since": time(client.given_at),
    })
}

fn problem(server: &str, error: &GivenClientError) -> Problem {
    match error {
        GivenClientError::Database(error) => Problem::caused(error),
        GivenClientError::ServerUnknown => {
            Problem::failed(format!("there is no server {server} in the catalogue"))
        }
        GivenClientError::Issuer(_) => Problem::configuration(error.to_string()),
    }
}

fn first_line(input: impl BufRead) -> Result<Secret, Problem> {
    let mut line = String::new();
    let read = input.take(LONGEST).read_line(&mut line);
    let secret = Secret::presented(line.trim_end_matches(['\r', '\n']));
    match read {
        Ok(_) if !secret.expose().is_empty() => Ok(secret),
        Ok(_) => Err(Problem::configuration("standard input holds no secret; write it on the first line")),
        Err(error) => {
            Err(Problem::failed(format!("the secret could not be read from standard input: {error}")))
        }
    }
}
