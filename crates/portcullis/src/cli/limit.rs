//! `portcullis limit …`: how much one user, client, server or connection may be used, where the settings say something else.

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{Clients, Users};
use portcullis_database::{ChangeFeed, Database};
use portcullis_oauth::{ClientId, Clock, ConnectionId, SystemClock};
use portcullis_resource_server::catalogue::Servers;
use portcullis_resource_server::{Connections, Limit, LimitRules, LimitSubject};
use serde_json::{Value, json};

use super::output::{Format, print_json, print_table, say, time};
use super::{author, store};
use crate::Problem;
use crate::config::Config;

/// What can be done with limits.
#[derive(Debug, Subcommand)]
pub(super) enum LimitCommand {
    /// Set a limit, in place of the one that was set for the same user, client, server or connection
    #[command(after_help = "\
Examples:
  portcullis limit set --user ada@example.com --calls 300 --calls-of-a-tool 60
  portcullis limit set --client pcl_client_… --calls 20      of each user through this client
  portcullis limit set --server github --calls-of-a-tool 5   of each user at each connection to it

--calls of a user stand in place of the setting user_calls_per_minute, and those of a client, server or connection hold
beside it. Of several --calls-of-a-tool the strictest holds; what is set for a connection stands in place of what is set
for its server. A limit holds within a second on every node.")]
    Set(SetArguments),
    /// List every limit that was set
    List(Format),
    /// Take a limit away; the settings hold again
    Remove(RemoveArguments),
}

/// Whose limit.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Whose {
    /// Of this user, by e-mail address
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Of each user through this client, by its `client_id`
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Of each user at each connection to this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// At this connection, by its identifier (`portcullis connection show … --json`)
    #[arg(long, value_name = "ID")]
    connection: Option<String>,
}

/// A limit to be set.
#[derive(Debug, Args)]
pub(super) struct SetArguments {
    #[command(flatten)]
    whose: Whose,
    /// Calls a minute, of all tools together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), required_unless_present = "calls_of_a_tool")]
    calls: Option<u32>,
    /// Calls of one tool a minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls_of_a_tool: Option<u32>,
    #[command(flatten)]
    format: Format,
}

/// A limit to be taken away.
#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    #[command(flatten)]
    whose: Whose,
}

/// Does what was asked.
pub(super) async fn run(command: LimitCommand, config: &Config) -> Result<(), Problem> {
    let database = store::open_existing(config).await?;
    let feed = ChangeFeed::new(database.clone(), Arc::new(SystemClock));
    let rules = LimitRules::new(database.clone(), feed.clone(), Arc::new(SystemClock));
    match command {
        LimitCommand::Set(arguments) => {
            let (kind, subject) = arguments.whose.find(&database, &feed).await?;
            let limit = Limit {
                kind,
                subject,
                calls: arguments.calls,
                calls_of_a_tool: arguments.calls_of_a_tool,
                author: author(),
                created_at: SystemClock.now(),
            };
            rules.set(&limit).await.map_err(|error| Problem::caused(&error))?;
            print(&[limit], arguments.format);
            Ok(())
        }
        LimitCommand::List(format) => {
            print(&rules.list().await.map_err(|error| Problem::caused(&error))?, format);
            Ok(())
        }
        LimitCommand::Remove(arguments) => {
            let (kind, subject) = arguments.whose.find(&database, &feed).await?;
            let removed = rules.remove(kind, &subject, &author()).await;
            if removed.map_err(|error| Problem::caused(&error))? {
                eprintln!("The limit is taken away; the settings hold again.");
                return Ok(());
            }
            Err(Problem::failed("no limit is set there; `portcullis limit list` shows every one"))
        }
    }
}

impl Whose {
    /// Whoever is unknown is told, so that no limit is set for a slip of the pen.
    async fn find(&self, database: &Database, feed: &ChangeFeed) -> Result<(LimitSubject, String), Problem> {
        let clock = || Arc::new(SystemClock);
        let unknown = |what: &str, name: &str, list: &str| {
            Problem::failed(format!("there is no {what} {name}; `portcullis {list} list` shows every one"))
        };
        let failed = |error: portcullis_database::DatabaseError| Problem::caused(&error);
        if let Some(email) = &self.user {
            let users = Users::new(database.clone(), clock());
            let user = users.find_by_email(email).await.map_err(|error| Problem::caused(&error))?;
            let user = user.ok_or_else(|| unknown("user", email, "user"))?;
            return Ok((LimitSubject::User, user.id.to_string()));
        }
        if let Some(id) = &self.client {
            let clients = Clients::new(database.clone(), clock());
            let found = clients.find(&ClientId::from(id.clone())).await;
            found.map_err(|error| Problem::caused(&error))?.ok_or_else(|| unknown("client", id, "client"))?;
            return Ok((LimitSubject::Client, id.clone()));
        }
        if let Some(name) = &self.server {
            let servers = Servers::new(database.clone(), feed.clone(), clock());
            let found = servers.find(name).await.map_err(failed)?;
            found.ok_or_else(|| unknown("server", name, "server"))?;
            return Ok((LimitSubject::Server, name.clone()));
        }
        let id = self.connection.clone().unwrap_or_default();
        let connections = Connections::new(database.clone(), feed.clone(), clock());
        let found = connections.get(&ConnectionId::from(id.clone())).await.map_err(failed)?;
        found.ok_or_else(|| unknown("connection", &id, "connection"))?;
        Ok((LimitSubject::Connection, id))
    }
}

fn print(limits: &[Limit], format: Format) {
    if format.json {
        print_json(&limits.iter().map(describe).collect());
        return;
    }
    if limits.is_empty() {
        say(&"No limit is set; the settings hold (`portcullis config`).");
        return;
    }
    let amount = |amount: Option<u32>| amount.map_or_else(String::new, |amount| amount.to_string());
    let row = |limit: &Limit| {
        vec![
            limit.kind.as_str().to_owned(),
            limit.subject.clone(),
            amount(limit.calls),
            amount(limit.calls_of_a_tool),
            limit.author.clone(),
            time(limit.created_at),
        ]
    };
    let heading = ["of", "which", "calls a minute", "calls of a tool", "by", "since"];
    print_table(&heading, limits.iter().map(row).collect());
}

fn describe(limit: &Limit) -> Value {
    json!({
        "kind": limit.kind.as_str(), "subject": limit.subject, "calls": limit.calls,
        "calls_of_a_tool": limit.calls_of_a_tool, "author": limit.author, "created_at": time(limit.created_at),
    })
}
