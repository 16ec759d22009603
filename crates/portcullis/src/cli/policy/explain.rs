//! `policy explain`: what would be decided, by which rule, and which others took part. Asks nobody but the database: what an
//! upstream server says of its tool beyond its name is not known here.

use std::sync::Arc;

use clap::Args;
use portcullis_authorization_server::{Clients, Groups, Users};
use portcullis_console::explain::{ExplainError, Question, Sources};
use portcullis_console::shown;
use portcullis_database::ChangeFeed;
use portcullis_oauth::{ClientId, Clock, SystemClock};
use portcullis_policy::{Explanation, Part};
use portcullis_resource_server::{Connections, Pins, PolicyVersion, ToolBlocks};
use serde_json::{Map, Value};

use super::policies;
use crate::Problem;
use crate::cli::output::{Format, print_fields, print_json, print_table, say};
use crate::cli::store;
use crate::config::Config;

/// A call to be explained.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainArguments {
    /// The user's e-mail address
    #[arg(long, value_name = "EMAIL")]
    user: String,
    /// The client through which they call [default: one that an administrator made]
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Their name for the connection
    #[arg(long, value_name = "ALIAS")]
    connection: String,
    /// The tool, by its server's own name for it
    #[arg(long, value_name = "NAME")]
    tool: String,
    /// The arguments, as a JSON object
    #[arg(long = "args", value_name = "JSON", default_value = "{}")]
    arguments: String,
    #[command(flatten)]
    format: Format,
}

/// Explains it.
pub(super) async fn run(asked: &ExplainArguments, config: &Config) -> Result<(), Problem> {
    let arguments: Map<String, Value> = serde_json::from_str(&asked.arguments)
        .map_err(|error| Problem::configuration(format!("--args is not a JSON object: {error}")))?;
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
        policies: &policies(database.clone()),
    };
    let question = Question {
        user: asked.user.clone(),
        client: asked.client.clone().map(ClientId::from),
        connection: asked.connection.clone(),
        tool: asked.tool.clone(),
        arguments,
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
    print_fields(&[
        ("decision", shown::verdict(&told.decision)),
        ("rule", rule.id.clone()),
        ("reason", rule.reason.clone()),
        ("policy", format!("version {}", policy.version)),
    ]);
    if !told.parts.is_empty() {
        say(&"");
        let row = |part: &Part| {
            let failure = part.failure.clone().unwrap_or_default();
            vec![
                part.rule.id.clone(),
                shown::effect(part).to_owned(),
                levels(part),
                part.rule.reason.clone(),
                failure,
            ]
        };
        print_table(
            &["rule", "effect", "at assurance", "reason", "failed"],
            told.parts.iter().map(row).collect(),
        );
    }
}

fn levels(part: &Part) -> String {
    part.applies.iter().map(|level| level.level().to_string()).collect::<Vec<_>>().join(", ")
}
