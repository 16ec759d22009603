//! `policy explain`: what would be decided, by which rule, and which others took part. Asks nobody but the database: what an
//! upstream server says of its tool beyond its name is not known here.

use std::sync::Arc;

use clap::Args;
use portcullis_authorization_server::{Clients, Groups, Users};
use portcullis_console::explain::{Asked, ExplainError, Question, Sources};
use portcullis_console::shown;
use portcullis_database::ChangeFeed;
use portcullis_oauth::{ClientId, Clock, SystemClock};
use portcullis_policy::{Assurance, Decision, Explanation, Part};
use portcullis_resource_server::catalogue::Servers;
use portcullis_resource_server::{Connections, Pins, PolicyVersion, ToolBlocks};
use serde_json::{Map, Value};

use super::policies;
use crate::Problem;
use crate::cli::output::{Format, print_fields, print_json, print_table, say};
use crate::cli::store;
use crate::config::Config;

/// What is to be explained.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainArguments {
    /// The user's e-mail address
    #[arg(long, value_name = "EMAIL")]
    user: String,
    /// The client through which they ask [default: one that an administrator made; with --manage none, they do so on the
    /// gateway's own pages]
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Their name for the connection
    #[arg(long, value_name = "ALIAS")]
    connection: String,
    #[command(flatten)]
    what: What,
    /// The arguments of the tool or the prompt, as a JSON object
    #[arg(
        long = "args",
        value_name = "JSON",
        default_value = "{}",
        conflicts_with_all = ["resource", "list", "manage"]
    )]
    arguments: String,
    #[command(flatten)]
    format: Format,
}

/// What they ask for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// To call a tool, by its server's own name for it
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// To get a prompt, by its server's own name for it
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// To read a resource, by its server's own address for it
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// To be shown the connection's tools
    #[arg(long)]
    list: bool,
    /// To look after the connection: test, change, switch or remove it, for example
    #[arg(long)]
    manage: bool,
}

impl ExplainArguments {
    fn question(&self) -> Result<Question, Problem> {
        let arguments: Map<String, Value> = serde_json::from_str(&self.arguments)
            .map_err(|error| Problem::configuration(format!("--args is not a JSON object: {error}")))?;
        let asked = match &self.what {
            What { tool: Some(name), .. } => Asked::Tool(name.clone(), arguments),
            What { prompt: Some(name), .. } => Asked::Prompt(name.clone(), arguments),
            What { resource: Some(uri), .. } => Asked::Resource(uri.clone()),
            What { list: true, .. } => Asked::List,
            // The group has one of them.
            _ => Asked::Manage,
        };
        let client = self.client.clone().map(ClientId::from);
        Ok(Question { user: self.user.clone(), client, connection: self.connection.clone(), asked })
    }
}

/// Explains it.
pub(super) async fn run(asked: &ExplainArguments, config: &Config) -> Result<(), Problem> {
    let question = asked.question()?;
    let database = store::open_existing(config).await?;
    let clock = || Arc::new(SystemClock);
    let feed = || ChangeFeed::new(database.clone(), clock());
    let sources = Sources {
        users: &Users::new(database.clone(), clock()),
        groups: &Groups::new(database.clone(), clock()),
        clients: &Clients::new(database.clone(), clock()),
        connections: &Connections::new(database.clone(), feed(), clock()),
        blocks: &ToolBlocks::new(database.clone(), feed(), clock()),
        pins: &Pins::new(database.clone(), feed(), clock()),
        servers: &Servers::new(database.clone(), feed(), clock()),
        policies: &policies(database.clone()),
        gateway: &config.assumed_public_url()?,
    };
    let (policy, told) = sources.explain(&question, clock().now()).await.map_err(|error| match &error {
        ExplainError::NoUser(_) => {
            Problem::failed(format!("{error}; `portcullis user list` shows everybody"))
        }
        ExplainError::NoClient(_) => {
            Problem::failed(format!("{error}; `portcullis client list` shows every one"))
        }
        ExplainError::Database(cause) => Problem::caused(cause),
        _ => Problem::failed(error.to_string()),
    })?;
    tell(&policy, &told, asked.format);
    Ok(())
}

fn tell(policy: &PolicyVersion, told: &Explanation, format: Format) {
    let rule = told.decision.rule();
    if format.json {
        print_json(&shown::explanation(policy, told));
        return;
    }
    let mut fields = vec![
        ("decision", shown::verdict(&told.decision)),
        ("rule", rule.id.clone()),
        ("reason", rule.reason.clone()),
        ("policy", format!("version {}", policy.version)),
    ];
    fields.extend(needed(&told.decision).map(|needed| ("needs", needed.to_owned())));
    fields.extend(told.failure.clone().map(|failure| ("failed", failure)));
    print_fields(&fields);
    if !told.parts.is_empty() {
        say(&"");
        let any_failed = told.parts.iter().any(|part| part.failure.is_some());
        let row = |part: &Part| {
            let (rule, effect) = (part.rule.id.clone(), shown::effect(part).to_owned());
            let mut row = vec![rule, effect, levels(part), part.rule.reason.clone()];
            row.extend(any_failed.then(|| part.failure.clone().unwrap_or_default()));
            row
        };
        let columns = ["rule", "effect", "at assurance", "reason", "failed"];
        let columns = if any_failed { &columns[..] } else { &columns[..4] };
        print_table(columns, told.parts.iter().map(row).collect());
    }
}

/// The assurance that is missing, in words.
fn needed(decision: &Decision) -> Option<&'static str> {
    let Decision::NeedsAssurance { level, .. } = decision else { return None };
    match level {
        Assurance::None => None,
        Assurance::Client => Some("that the user agrees, by the client's word"),
        Assurance::Session => Some("that the user agrees, signed in here"),
        Assurance::SecondPerson => Some("that a second person agrees"),
    }
}

fn levels(part: &Part) -> String {
    part.applies.iter().map(|level| level.level().to_string()).collect::<Vec<_>>().join(", ")
}
