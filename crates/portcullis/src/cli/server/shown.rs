//! Servers as commands print them.

use portcullis_console::shown;
use portcullis_resource_server::catalogue::{Parameter, Server, ServerKind, Servers, Visibility};

use crate::Problem;
use crate::cli::output::{Format, print_fields, print_json, print_table, tick, time};

/// Every server.
pub(super) async fn list(servers: &Servers, format: Format) -> Result<(), Problem> {
    let all = servers.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(shown::server).collect());
        return Ok(());
    }
    let row = |server: &Server| {
        vec![
            server.slug.to_string(),
            server.title.clone(),
            server.kind.as_str().to_owned(),
            place(server),
            auth(server),
            tick(server.disabled_at.is_some()),
        ]
    };
    print_table(&["slug", "title", "kind", "where", "sign-in", "off"], all.iter().map(row).collect());
    Ok(())
}

/// One server.
pub(super) fn show(server: &Server, format: Format) {
    if format.json {
        print_json(&shown::server(server));
        return;
    }
    let asked = |parameter: &Parameter| {
        let secret = if parameter.secret { " (secret)" } else { "" };
        let optional = if parameter.required { "" } else { " (optional)" };
        format!("{}{secret}{optional}: {}", parameter.name, parameter.about)
    };
    let visible = match &server.visible_to {
        Visibility::Everyone => "everybody".to_owned(),
        Visibility::Listed(users) => format!("{} users", users.len()),
    };
    let off = server.disabled_at.map_or_else(|| "no".to_owned(), |at| format!("since {}", time(at)));
    print_fields(&[
        ("slug", server.slug.to_string()),
        ("title", server.title.clone()),
        ("kind", server.kind.as_str().to_owned()),
        ("where", place(server)),
        ("sign-in", auth(server)),
        ("header", format!("{}: {}", server.header.name, server.header.format)),
        ("users fill in", server.parameters.iter().map(asked).collect::<Vec<_>>().join("\n")),
        ("new tools", server.new_tools.as_str().to_owned()),
        ("may ask for", relays(server)),
        ("offered to", visible),
        ("off", off),
    ]);
}

fn place(server: &Server) -> String {
    match &server.kind {
        ServerKind::Http { url, .. } => url.clone(),
        ServerKind::Stdio(template) => std::iter::once(&template.command)
            .chain(&template.arguments)
            .cloned()
            .collect::<Vec<_>>()
            .join(" "),
        ServerKind::Sandbox => "built in".to_owned(),
    }
}

fn relays(server: &Server) -> String {
    let words = server.relays.words();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn auth(server: &Server) -> String {
    server.auth.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}
