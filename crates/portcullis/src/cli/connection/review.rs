//! `portcullis connection review` and `connection set`: the tools of a connection as somebody reviews them, and how an admin
//! wants it handled.

use clap::Args;
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::{ArgumentRule, Connection, ReviewState, Rules, ToolReview, made_visible};
use serde_json::{Value, json};

use super::{Desk, OneConnection, told};
use crate::Problem;
use crate::cli::author;
use crate::cli::output::{print_json, say, time};

/// A connection whose tools are reviewed.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReviewArguments {
    #[command(flatten)]
    one: OneConnection,
    /// Accept this tool as it is shown, by its server's own name; may be given several times
    #[arg(long, value_name = "TOOL", conflicts_with = "all")]
    accept: Vec<String>,
    /// Accept every tool that waits
    #[arg(long)]
    all: bool,
}

/// A connection and how it is to be handled.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetArguments {
    #[command(flatten)]
    one: OneConnection,
    /// What becomes of tools that nobody has reviewed: quarantine, `allow_read`, allow, or server (as the server says)
    #[arg(long, value_name = "RULE", value_parser = ["quarantine", "allow_read", "allow", "server"])]
    new_tools: Option<String>,
    /// What becomes of arguments that are not as they should be: sanitise (mended and told) or reject (the call is refused)
    #[arg(long, value_name = "RULE", value_parser = ["sanitise", "reject"])]
    arguments: Option<String>,
}

/// Shows what waits, or accepts it.
pub(super) async fn review(arguments: ReviewArguments, desk: &Desk) -> Result<(), Problem> {
    let connection = desk.find(&arguments.one).await?;
    let gateway = &desk.app.gateway;
    if !arguments.all && arguments.accept.is_empty() {
        // Asked anew, so that what is shown is what the server says now.
        if let Err(why) = gateway.tools(&connection).await {
            eprintln!("The server did not tell its tools ({why}); this is what it told before.");
        }
        let reviewed = gateway.review(&connection).await.map_err(|error| Problem::caused(&error))?;
        print(&connection, &reviewed, arguments.one.format.json);
        return Ok(());
    }
    let mut reviewed = gateway.review(&connection).await.map_err(|error| Problem::caused(&error))?;
    if let Some(unknown) = arguments.accept.iter().find(|tool| !waits(&reviewed, tool)) {
        let tool = made_visible(unknown);
        return Err(Problem::failed(format!(
            "no tool {tool} of {} waits for a review; the same command without --accept shows those that do",
            connection.alias
        )));
    }
    reviewed.retain(|tool| tool.state.waits() && (arguments.all || arguments.accept.contains(&tool.tool)));
    let accepted = gateway.pins().accept_all(&connection, &reviewed, &author()).await;
    let accepted = accepted.map_err(|error| Problem::caused(&error))?;
    if arguments.one.format.json {
        print_json(&json!({
            "accepted": accepted, "tools": reviewed.iter().map(describe).collect::<Vec<_>>(),
        }));
    } else {
        for tool in &reviewed {
            say(&in_words(tool));
        }
        eprintln!("{accepted} of {} accepted, as shown.", reviewed.len());
    }
    let changed = || Problem::failed("some changed once more meanwhile; review them again");
    if accepted == reviewed.len() { Ok(()) } else { Err(changed()) }
}

/// Says how a connection is handled.
pub(super) async fn set(arguments: SetArguments, desk: &Desk) -> Result<(), Problem> {
    let connection = desk.find(&arguments.one).await?;
    let mut rules: Rules = connection.rules;
    if let Some(name) = &arguments.new_tools {
        rules.new_tools = NewTools::parse(name);
    }
    if let Some(rule) = arguments.arguments.as_deref().and_then(ArgumentRule::parse) {
        rules.arguments = rule;
    }
    let connections = desk.connections();
    connections.set_rules(&connection, rules, &author()).await.map_err(|error| Problem::caused(&error))?;
    let now = connections.get(&connection.id).await.map_err(|error| Problem::caused(&error))?;
    told(now, arguments.one.format)
}

fn waits(reviewed: &[ToolReview], tool: &str) -> bool {
    reviewed.iter().any(|one| one.tool == tool && one.state.waits())
}

fn print(connection: &Connection, reviewed: &[ToolReview], as_json: bool) {
    if as_json {
        print_json(&reviewed.iter().map(describe).collect());
        return;
    }
    let count = |state| reviewed.iter().filter(|tool| tool.state == state).count();
    let waiting: Vec<&ToolReview> = reviewed.iter().filter(|tool| tool.state.waits()).collect();
    for tool in &waiting {
        say(&in_words(tool));
    }
    say(&format_args!(
        "{}: {} waiting, {} accepted, {} no longer listed.",
        connection.alias,
        waiting.len(),
        count(ReviewState::Accepted),
        count(ReviewState::Gone)
    ));
}

/// One tool on several lines. Everything in it was made visible before.
fn in_words(tool: &ToolReview) -> String {
    let name = made_visible(&tool.tool);
    let head = match (tool.state, &tool.renamed_from) {
        (_, Some(former)) => format!("{name} is new, and is what {} was", made_visible(former)),
        (ReviewState::Changed, _) => match &tool.accepted_by {
            Some(who) => format!("{name} has changed since {who} accepted it"),
            None => format!("{name} has changed since it was first seen"),
        },
        (ReviewState::New, _) => format!("{name} is new"),
        (state, _) => format!("{name} is {}", state.as_str()),
    };
    let warnings = tool.warnings.iter().map(|warning| format!("  WARNING  {warning}"));
    let differences = tool.differences.iter().map(|difference| format!("  {difference}"));
    let unknown = (tool.state.waits() && tool.differences.is_empty())
        .then(|| "  its definition is too long to be kept, so only that it is another is known".to_owned());
    [head].into_iter().chain(warnings).chain(differences).chain(unknown).collect::<Vec<_>>().join("\n")
}

fn describe(tool: &ToolReview) -> Value {
    let warning = |warning: &portcullis_resource_server::Warning| json!({"place": warning.place, "warning": warning.trick.as_str(), "in_words": warning.to_string()});
    let difference = |one: &portcullis_resource_server::Difference| json!({"place": one.place, "was": one.was, "now": one.now, "in_words": one.to_string()});
    json!({
        "tool": made_visible(&tool.tool),
        "state": tool.state.as_str(),
        "waits": tool.state.waits(),
        "renamed_from": tool.renamed_from.as_deref().map(made_visible),
        "hash": tool.hash,
        "accepted_by": tool.accepted_by,
        "accepted_at": tool.accepted_at.map(time),
        "warnings": tool.warnings.iter().map(warning).collect::<Vec<_>>(),
        "differences": tool.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}
