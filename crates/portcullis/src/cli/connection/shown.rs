//! Connections as commands print them.

use portcullis_console::shown;
use portcullis_resource_server::catalogue::NewTools;
use portcullis_resource_server::{Authorized, Connection, made_visible};
use serde_json::Value;

use super::{Desk, ListArguments};
use crate::Problem;
use crate::cli::output::{Format, print_fields, print_json, print_table, say, time};

/// Those that were asked for.
pub(super) async fn list(arguments: &ListArguments, desk: &Desk) -> Result<(), Problem> {
    let mut all = match &arguments.user {
        Some(email) => desk.connections().list(&desk.user(email).await?.id).await,
        None => desk.connections().list_all(arguments.server.as_deref()).await,
    }
    .map_err(|error| Problem::caused(&error))?;
    all.retain(|connection| arguments.server.as_ref().is_none_or(|server| connection.server == *server));
    if arguments.format.json {
        print_json(&all.iter().map(shown::connection).collect());
        return Ok(());
    }
    if all.is_empty() {
        say(&"No connection. `portcullis connection add --help` tells how to make one.");
        return Ok(());
    }
    let users = desk.app.authorization.users().list().await.map_err(|error| Problem::caused(&error))?;
    let owner = |connection: &Connection| {
        let user = users.iter().find(|user| user.id == connection.principal_id);
        user.map_or_else(|| connection.principal_id.to_string(), |user| user.email.clone())
    };
    let row = |connection: &Connection| {
        vec![
            owner(connection),
            connection.alias.to_string(),
            connection.server.clone(),
            connection.label.clone(),
            connection.status.as_str().to_owned(),
            time(connection.since),
        ]
    };
    print_table(&["user", "alias", "server", "label", "status", "since"], all.iter().map(row).collect());
    Ok(())
}

/// One connection.
pub(super) fn show(connection: &Connection, format: Format) {
    if format.json {
        print_json(&shown::connection(connection));
        return;
    }
    print_fields(&fields(connection));
}

/// One connection, with what is known of its authorization at its server.
pub(super) fn show_whole(connection: &Connection, facts: Option<&Authorized>, format: Format) {
    if format.json {
        print_json(&shown::whole_connection(connection, facts));
        return;
    }
    let mut all = fields(connection);
    if let Some(facts) = facts {
        all.extend([
            ("signed in at", format!("{} ({})", facts.issuer, time(facts.obtained_at))),
            ("scopes asked for", facts.requested.to_string()),
            ("scopes granted", facts.granted.to_string()),
            ("asked for since", facts.wanted.to_string()),
        ]);
    }
    print_fields(&all);
}

fn fields(connection: &Connection) -> Vec<(&'static str, String)> {
    let moment = |at: Option<_>| at.map_or_else(|| "never".to_owned(), time);
    let settings = connection.settings.iter().map(|(name, value)| format!("{name}={value}"));
    vec![
        ("alias", connection.alias.to_string()),
        ("server", connection.server.clone()),
        ("label", connection.label.clone()),
        ("sign-in", connection.auth.as_str().to_owned()),
        ("settings", settings.collect::<Vec<_>>().join("\n")),
        ("new tools", connection.rules.new_tools.map_or("as the server says", NewTools::as_str).to_owned()),
        ("arguments", connection.rules.arguments.as_str().to_owned()),
        ("status", format!("{} since {}", connection.status.as_str(), time(connection.since))),
        ("reason", connection.status_reason.clone().unwrap_or_default()),
        ("last error", connection.last_error.clone().unwrap_or_default()),
        ("revision", connection.revision.clone().unwrap_or_default()),
        ("tested", moment(connection.tested_at)),
        ("last used", moment(connection.last_used_at)),
        ("created", time(connection.created_at)),
    ]
}

/// The tools of one.
pub(super) fn show_tools(tools: &[Value], format: Format) {
    if format.json {
        print_json(&tools.iter().cloned().collect());
        return;
    }
    if tools.is_empty() {
        say(&"The server has no tools.");
        return;
    }
    let text = |tool: &Value, key: &str| tool[key].as_str().unwrap_or_default().to_owned();
    // T26: what hides in it is spelt out
    let shown = |text: &str| made_visible(&text.chars().take(100).collect::<String>());
    let first = |text: String| shown(text.lines().next().unwrap_or_default());
    let row = |tool: &Value| vec![made_visible(&text(tool, "name")), first(text(tool, "description"))];
    print_table(&["tool", "what it says of itself"], tools.iter().map(row).collect());
}
