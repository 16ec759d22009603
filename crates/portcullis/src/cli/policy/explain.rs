//! `policy explain`: what would be decided, by which rule, and which others took part. Asks nobody but the database: what an
//! upstream server says of its tool beyond its name is not known here.

use std::sync::Arc;

use clap::Args;
use portcullis_authorization_server::{Clients, Groups, Users};
use portcullis_database::{ChangeFeed, Database};
use portcullis_oauth::{Alias, ClientId, ClientStanding, Clock, Standing, SystemClock};
use portcullis_policy::{
    Arguments, Case, Circumstances, Decision, Explanation, Moment, Part, PolicySet, Principal, Subject,
    Target, Tool, explain,
};
use portcullis_resource_server::{Connection, Connections, Pins, PolicyVersion, ToolBlocks, seen_by_policy};
use serde_json::{Map, Value, json};

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
    let policy = policies(database.clone()).current().await.map_err(|error| Problem::caused(&error))?;
    let set = PolicySet::parse(&policy.text).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        Problem::failed(format!(
            "version {} is not one that this release understands: {first}",
            policy.version
        ))
    })?;
    let (subject, tool) = subject(asked, &database).await?;
    let circumstances = Circumstances {
        arguments: Arguments::of(&arguments),
        time: Moment { unix: SystemClock.now().seconds(), offset: 0 },
        ..Circumstances::default()
    };
    let target = Target::Tool(tool);
    let told = explain(&set, &Case { subject: &subject, target: &target, circumstances: &circumstances });
    tell(&policy, &told, asked.format);
    Ok(())
}

/// Who calls, through what, where, and the tool as far as the database knows it.
async fn subject(asked: &ExplainArguments, database: &Database) -> Result<(Subject, Tool), Problem> {
    let clock = || Arc::new(SystemClock);
    let user = Users::new(database.clone(), clock()).find_by_email(&asked.user).await;
    let user = user.map_err(|error| Problem::caused(&error))?.ok_or_else(|| {
        Problem::failed(format!(
            "nobody has the e-mail address {}; `portcullis user list` shows everybody",
            asked.user
        ))
    })?;
    let groups = Groups::new(database.clone(), clock()).of(&user.id).await;
    let connection = connection(asked, &user.id, database).await?;
    let blocks = ToolBlocks::new(database.clone(), ChangeFeed::new(database.clone(), clock()), clock());
    let tool = seen_by_policy::tool_by_name(&connection, &asked.tool, &blocks).await;
    let mut tool = tool.map_err(|error| Problem::caused(&error))?;
    let pins = Pins::new(database.clone(), ChangeFeed::new(database.clone(), clock()), clock());
    let stood =
        pins.last_stood(&connection.id, &asked.tool).await.map_err(|error| Problem::caused(&error))?;
    tool.pin = stood.unwrap_or(tool.pin);
    let client = client(asked, database).await?;
    let subject = Subject {
        principal: Principal {
            id: user.id.to_string(),
            email: Some(user.email),
            groups: groups.map_err(|error| Problem::caused(&error))?,
            permissions: user.permissions.iter().map(str::to_owned).collect(),
            ..Principal::default()
        },
        client: seen_by_policy::client(&client.0, &client.1),
        connection: seen_by_policy::connection(&connection),
        granted: true,
    };
    Ok((subject, tool))
}

async fn connection(
    asked: &ExplainArguments,
    owner: &portcullis_oauth::PrincipalId,
    database: &Database,
) -> Result<Connection, Problem> {
    let unknown = || Problem::failed(format!("{} has no connection called {}", asked.user, asked.connection));
    let alias = Alias::parse(&asked.connection).map_err(|_| unknown())?;
    let feed = ChangeFeed::new(database.clone(), Arc::new(SystemClock));
    let connections = Connections::new(database.clone(), feed, Arc::new(SystemClock));
    let found = connections.find(owner, &alias).await.map_err(|error| Problem::caused(&error))?;
    found.ok_or_else(unknown)
}

async fn client(asked: &ExplainArguments, database: &Database) -> Result<(ClientId, Standing), Problem> {
    let Some(id) = asked.client.clone().map(ClientId::from) else {
        let standing = Standing { client: ClientStanding::Admin, ..Standing::default() };
        return Ok((ClientId::from("some client".to_owned()), standing));
    };
    let found = Clients::new(database.clone(), Arc::new(SystemClock)).find(&id).await;
    let client = found.map_err(|error| Problem::caused(&error))?.ok_or_else(|| {
        Problem::failed(format!("no client has the id {id}; `portcullis client list` shows every one"))
    })?;
    Ok((id, Standing { client: client.standing(), ..Standing::default() }))
}

fn tell(policy: &PolicyVersion, told: &Explanation, format: Format) {
    let rule = told.decision.rule();
    if format.json {
        print_json(&json!({
            "version": policy.version,
            "decision": verdict(&told.decision),
            "rule": rule.id,
            "reason": rule.reason,
            "parts": told.parts.iter().map(describe).collect::<Vec<_>>(),
        }));
        return;
    }
    print_fields(&[
        ("decision", verdict(&told.decision)),
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
                effect(part).to_owned(),
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

fn verdict(decision: &Decision) -> String {
    match decision {
        Decision::Allow { .. } => "allow".to_owned(),
        Decision::NeedsAssurance { level, .. } => format!("needs {}", level.level()),
        Decision::Deny { .. } => "deny".to_owned(),
    }
}

fn effect(part: &Part) -> &'static str {
    match part.rule.effect {
        portcullis_policy::Effect::Permit => "permit",
        portcullis_policy::Effect::Forbid => "forbid",
    }
}

fn levels(part: &Part) -> String {
    part.applies.iter().map(|level| level.level().to_string()).collect::<Vec<_>>().join(", ")
}

fn describe(part: &Part) -> Value {
    json!({
        "rule": part.rule.id,
        "effect": effect(part),
        "reason": part.rule.reason,
        "assurances": part.applies.iter().map(|level| level.level()).collect::<Vec<_>>(),
        "failure": part.failure,
    })
}
