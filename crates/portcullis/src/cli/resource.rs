//! `portcullis resource …`: other MCP servers whose tokens this server issues.

mod new;

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{RegisteredResource, ResourceScope, Resources};
use portcullis_oauth::{ResourceUri, Secret, SystemClock};
use serde_json::{Value, json};

use self::new::AddArguments;
use super::confirm::Confirmation;
use super::output::{Format, must_say, print_fields, print_json, print_table, say, time};
use super::store;
use crate::Problem;
use crate::config::Config;

/// What can be done with resources.
#[derive(Debug, Subcommand)]
pub(super) enum ResourceCommand {
    /// Register another MCP server; the secret with which it checks tokens is shown once
    #[command(after_help = "\
Examples:
  portcullis resource add --uri https://notes.example.com/mcp --name 'Team notes' \\
    --default-scope 'notes.read=Read the notes of your team.' \\
    --scope 'notes.write=Change the notes of your team.'

Each scope has a name and the sentence that people read when they are asked. A request that names no scope asks for the
default scopes; without any, it is refused. People decide at consent about each scope; what a scope opens is the
server's own business. Names that begin with mcp. or admin. are this server's own.

The server asks what a presented token is at /oauth/introspect, with the client_id and client_secret printed here
(HTTP Basic, RFC 7662). Opaque tokens can be revoked at once; a jwt is checked by the server itself, against our
published keys, and lives until it expires.")]
    Add(AddArguments),
    /// List every registered server; this server's own /mcp is always there and not listed
    List(Format),
    /// Show one server with its scopes
    Show(OneResource),
    /// Replace the secret with which a server checks tokens; the new one is shown once, the old one stops working
    RotateSecret(OneResource),
    /// Remove a server: every token for it ends, and it can check none any more
    Remove(RemoveArguments),
}

/// One resource and a form of output.
#[derive(Debug, Args)]
pub(super) struct OneResource {
    /// The server's URI, as `resource list` shows it
    #[arg(value_name = "URI")]
    uri: String,
    #[command(flatten)]
    format: Format,
}

/// A resource to be removed.
#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    #[command(flatten)]
    one: OneResource,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Does what was asked.
pub(super) async fn run(command: ResourceCommand, config: &Config) -> Result<(), Problem> {
    match command {
        ResourceCommand::Add(arguments) => add(arguments, config).await,
        ResourceCommand::List(format) => list(format, config).await,
        ResourceCommand::Show(one) => {
            let resource = find(&existing(config).await?, &one.uri).await?;
            show(&resource, None, one.format)
        }
        ResourceCommand::RotateSecret(one) => rotate_secret(&one, config).await,
        ResourceCommand::Remove(arguments) => remove(&arguments, config).await,
    }
}

async fn existing(config: &Config) -> Result<Resources, Problem> {
    Ok(Resources::new(store::open_existing(config).await?, Arc::new(SystemClock)))
}

async fn find(resources: &Resources, text: &str) -> Result<RegisteredResource, Problem> {
    let unknown = || {
        Problem::failed(format!("no resource has the URI {text}; `portcullis resource list` shows every one"))
    };
    let uri = ResourceUri::parse(text).map_err(|_| unknown())?;
    resources.find(&uri).await.map_err(|error| Problem::caused(&error))?.ok_or_else(unknown)
}

async fn add(arguments: AddArguments, config: &Config) -> Result<(), Problem> {
    let format = arguments.format;
    let new = arguments.check(&config.assumed_public_url()?)?;
    let resources = Resources::new(store::open(config).await?, Arc::new(SystemClock));
    let (resource, secret) = resources.create(new).await.map_err(|error| new::problem(&error))?;
    show(&resource, Some(&secret), format)
}

async fn list(format: Format, config: &Config) -> Result<(), Problem> {
    let all = existing(config).await?.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(|resource| describe(resource, None)).collect());
    } else if all.is_empty() {
        say(
            &"No other server yet; this server's own /mcp is always there. `portcullis resource add --help` tells how to register one.",
        );
    } else {
        let row = |resource: &RegisteredResource| {
            let what = &resource.what;
            vec![
                what.uri.to_string(),
                what.name.clone(),
                what.scopes.len().to_string(),
                what.token_format.as_str().to_owned(),
                time(resource.created_at),
            ]
        };
        print_table(&["uri", "name", "scopes", "tokens", "created"], all.iter().map(row).collect());
    }
    Ok(())
}

async fn rotate_secret(one: &OneResource, config: &Config) -> Result<(), Problem> {
    let resources = existing(config).await?;
    let resource = find(&resources, &one.uri).await?;
    match resources.rotate_secret(&resource).await.map_err(|error| Problem::caused(&error))? {
        Some(secret) => show(&resource, Some(&secret), one.format),
        None => Err(Problem::failed(format!(
            "the client of {} was removed; remove the resource and add it again",
            resource.what.uri
        ))),
    }
}

async fn remove(arguments: &RemoveArguments, config: &Config) -> Result<(), Problem> {
    let resources = existing(config).await?;
    let resource = find(&resources, &arguments.one.uri).await?;
    let uri = &resource.what.uri;
    arguments
        .confirmation
        .obtain(&format!("Remove {uri}, and end every token for it?"), "remove the resource")?;
    let removed = resources.remove(&resource).await.map_err(|error| Problem::caused(&error))?;
    if arguments.one.format.json {
        print_json(&json!({ "uri": uri, "removed": removed }));
    } else {
        eprintln!("{uri} is removed; every token for it has ended.");
    }
    Ok(())
}

fn show(resource: &RegisteredResource, secret: Option<&Secret>, format: Format) -> Result<(), Problem> {
    if format.json {
        return must_say(&format_args!("{:#}", describe(resource, secret)));
    }
    let what = &resource.what;
    let scope = |scope: &ResourceScope| {
        let default = if scope.default { " (default)" } else { "" };
        format!("{}{default}: {}", scope.name, scope.about)
    };
    let life = what.access_token_life.map_or_else(
        || "access_token_seconds of this server".to_owned(),
        |life| format!("{} seconds", life.0),
    );
    print_fields(&[
        ("uri", what.uri.to_string()),
        ("name", what.name.clone()),
        ("scopes", what.scopes.iter().map(scope).collect::<Vec<_>>().join("\n")),
        ("tokens", what.token_format.as_str().to_owned()),
        ("token life", life),
        ("client_id", resource.client_id.to_string()),
        ("created", time(resource.created_at)),
    ]);
    if let Some(secret) = secret {
        must_say(&format_args!("\nclient_secret   {}", secret.expose()))?;
        eprintln!("The secret is shown this once; only its hash is kept.");
    }
    Ok(())
}

fn describe(resource: &RegisteredResource, secret: Option<&Secret>) -> Value {
    let what = &resource.what;
    let mut value = json!({
        "uri": what.uri,
        "name": what.name,
        "scopes": what.scopes,
        "token_format": what.token_format,
        "access_token_seconds": what.access_token_life.map(|life| life.0),
        "client_id": resource.client_id,
        "created_at": time(resource.created_at),
    });
    if let (Some(secret), Some(members)) = (secret, value.as_object_mut()) {
        members.insert("client_secret".to_owned(), secret.expose().into());
    }
    value
}
