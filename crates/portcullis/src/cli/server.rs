//! `portcullis server …`: the catalogue of upstream MCP servers that users may connect to.

mod import;
mod new;
mod set;
mod shown;

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::Users;
use portcullis_database::{ChangeFeed, Database};
use portcullis_oauth::{PrincipalId, SystemClock};
use portcullis_resource_server::catalogue::{Server, ServerError, Servers, Slug};
use serde_json::json;

use self::import::ImportArguments;
use self::new::AddArguments;
use self::set::SetArguments;
use self::shown::{list, show};
use super::confirm::Confirmation;
use super::output::{Format, print_json};
use super::{connection, store};
use crate::Problem;
use crate::config::Config;

/// What can be done with upstream servers.
#[derive(Debug, Subcommand)]
pub(super) enum ServerCommand {
    /// Offer an upstream MCP server to users
    #[command(after_help = "\
Examples:
  portcullis server add --slug github --title GitHub --url https://api.githubcopilot.com/mcp/
  portcullis server add --slug wiki --url https://wiki.example.com/mcp --auth header --header 'X-Api-Key: {}'
  portcullis server add --slug files --command npx --argument=-y --argument @modelcontextprotocol/server-filesystem \\
    --argument '{folder}' --inherit PATH --inherit HOME --ask 'folder=The folder to work in.'

Users fill in secrets and the values that --ask, --ask-environment and --ask-header name; they never choose a command.
`server import` reads a file with everything that a server can have.")]
    Add(Box<AddArguments>),
    /// Offer every server of a file: TOML, or the mcpServers JSON of desktop clients; secrets in it are not taken over
    #[command(after_help = "\
A TOML file has one [[server]] each, with slug, title, url or command, arguments, environment, inherit, auth, header,
new_tools, relays, private_network, legacy_sse, users, and one [[server.parameter]] for each value that users fill in: name,
about, secret, optional, pattern, and environment or header for where it goes (else {name} in an argument).")]
    Import(ImportArguments),
    /// List every server
    List(Format),
    /// Show one server
    Show(OneServer),
    /// Say what a server may ask clients for
    #[command(after_help = "\
Examples:
  portcullis server set wiki --relays sampling,roots
  portcullis server set wiki --relays none

With `sampling` a server may ask for what the client's model says while it answers that client, with `roots` for the folders
that the client works in; the client has to declare them too. A program may take folders of the client's computer for
folders of this one: let only those ask for roots that do not. What is under way at the server ends, since it was told
otherwise.")]
    Set(SetArguments),
    /// Let users connect to it again
    Enable(OneServer),
    /// Switch a server and every connection to it off
    Disable(DestructiveArguments),
    /// Remove a server, with every connection to it and what was sealed for them
    Remove(DestructiveArguments),
}

/// One server and a form of output.
#[derive(Debug, Args)]
pub(super) struct OneServer {
    /// The server's name, as `server list` shows it
    slug: String,
    #[command(flatten)]
    format: Format,
}

/// A server that is to be switched off or removed.
#[derive(Debug, Args)]
pub(super) struct DestructiveArguments {
    #[command(flatten)]
    one: OneServer,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// Does what was asked.
pub(super) async fn run(command: ServerCommand, config: &Config) -> Result<(), Problem> {
    match command {
        ServerCommand::Add(arguments) => add(*arguments, config).await,
        ServerCommand::Import(arguments) => import::run(&arguments, config).await,
        ServerCommand::List(format) => list(&existing(config).await?, format).await,
        ServerCommand::Show(one) => {
            show(&find(&existing(config).await?, &one.slug).await?, one.format);
            Ok(())
        }
        ServerCommand::Set(arguments) => set::set(&arguments, config).await,
        ServerCommand::Enable(one) => set_disabled(&one, false, config).await,
        ServerCommand::Disable(arguments) => {
            let question = format!("Switch {} off, for everybody who is connected?", arguments.one.slug);
            arguments.confirmation.obtain(&question, "switch it off")?;
            set_disabled(&arguments.one, true, config).await
        }
        ServerCommand::Remove(arguments) => remove(&arguments, config).await,
    }
}

fn servers(database: Database) -> Servers {
    let clock = Arc::new(SystemClock);
    Servers::new(database.clone(), ChangeFeed::new(database, clock.clone()), clock)
}

async fn existing(config: &Config) -> Result<Servers, Problem> {
    Ok(servers(store::open_existing(config).await?))
}

async fn find(servers: &Servers, slug: &str) -> Result<Server, Problem> {
    let found = servers.find(slug).await.map_err(|error| Problem::caused(&error))?;
    found.ok_or_else(|| {
        Problem::failed(format!("there is no server {slug}; `portcullis server list` shows every one"))
    })
}

async fn add(arguments: AddArguments, config: &Config) -> Result<(), Problem> {
    let format = arguments.format;
    let database = store::open(config).await?;
    let description = arguments.description();
    let users = resolve(&database, description.users.as_deref()).await?;
    let server = description.server(users).map_err(|error| Problem::configuration(error.to_string()))?;
    let servers = servers(database);
    create(&servers, &server, config).await?;
    show(&find(&servers, server.slug.as_str()).await?, format);
    Ok(())
}

/// Those who may connect, by their e-mail addresses.
async fn resolve(
    database: &Database,
    emails: Option<&[String]>,
) -> Result<Option<Vec<PrincipalId>>, Problem> {
    let Some(emails) = emails else { return Ok(None) };
    let users = Users::new(database.clone(), Arc::new(SystemClock));
    let mut found = Vec::new();
    for email in emails {
        let user = users.find_by_email(email).await.map_err(|error| Problem::caused(&error))?;
        let unknown = || Problem::failed(format!("nobody has the e-mail address {email}"));
        found.push(user.ok_or_else(unknown)?.id);
    }
    Ok(Some(found))
}

async fn create(servers: &Servers, server: &Server, config: &Config) -> Result<(), Problem> {
    let on_loopback = config.assumed_public_url()?.is_loopback();
    servers.create(server, on_loopback).await.map_err(|error| refused(&server.slug, &error))
}

/// Why the catalogue does not take a server as it is written.
fn refused(slug: &Slug, error: &ServerError) -> Problem {
    match error {
        ServerError::Database(_) => Problem::caused(error),
        ServerError::Taken => Problem::failed(format!("{slug}: {error}")),
        _ => Problem::configuration(format!("{slug}: {error}")),
    }
}

async fn set_disabled(one: &OneServer, disabled: bool, config: &Config) -> Result<(), Problem> {
    let servers = existing(config).await?;
    let server = find(&servers, &one.slug).await?;
    servers.set_disabled(&server.slug, disabled).await.map_err(|error| Problem::caused(&error))?;
    let server = find(&servers, &one.slug).await?;
    if one.format.json {
        print_json(&portcullis_console::shown::server(&server));
    } else {
        let now = if disabled { "off" } else { "on" };
        eprintln!("{} is {now}.", server.slug);
    }
    Ok(())
}

async fn remove(arguments: &DestructiveArguments, config: &Config) -> Result<(), Problem> {
    let servers = existing(config).await?;
    let server = find(&servers, &arguments.one.slug).await?;
    let desk = connection::desk(config).await?;
    let connected = desk.connections().list_all(Some(server.slug.as_str())).await;
    let connected = connected.map_err(|error| Problem::caused(&error))?;
    let question = match connected.len() {
        0 => format!("Remove {}?", server.slug),
        count => format!("Remove {}, and {count} connections to it with their credentials?", server.slug),
    };
    arguments.confirmation.obtain(&question, "remove it")?;
    let removed = desk.enrolment().remove_server(&server.slug).await;
    desk.close().await;
    let (removed, connected) = removed.map_err(|error| Problem::caused(&error))?;
    if arguments.one.format.json {
        print_json(&json!({ "slug": server.slug, "removed": removed, "connections": connected }));
    } else {
        eprintln!("{} is removed, with {connected} connections.", server.slug);
    }
    Ok(())
}
