//! `portcullis server import FILE`: every server of a file, all or none.

use std::path::PathBuf;

use clap::Args;
use figment::Figment;
use figment::providers::{Format as _, Toml};
use portcullis_console::shown;
use portcullis_resource_server::catalogue::{Description, Imported, read_desktop};
use serde::Deserialize;
use serde_json::json;

use super::{create, find, resolve, servers};
use crate::Problem;
use crate::cli::output::{Format, print_json};
use crate::cli::store;
use crate::config::Config;

/// A file of servers.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArguments {
    /// The file: TOML, or JSON when its name ends so
    file: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// A TOML file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    server: Vec<Description>,
}

pub(super) async fn run(arguments: &ImportArguments, config: &Config) -> Result<(), Problem> {
    let shown = arguments.file.display();
    let text = std::fs::read_to_string(&arguments.file)
        .map_err(|error| Problem::failed(format!("{shown} cannot be read: {error}")))?;
    let refused = |why: String| Problem::configuration(format!("{shown}: {why}"));
    let is_json = arguments.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let imported = if is_json { read_desktop(&text) } else { read_toml(&text) }.map_err(refused)?;
    if imported.is_empty() {
        return Err(refused("there is no server in it".to_owned()));
    }
    let database = store::open(config).await?;
    let catalogue = servers(database.clone());
    let mut ready = Vec::new();
    for Imported { description, notes } in imported {
        let users = resolve(&database, description.users.as_deref()).await?;
        let server = description.server(users).map_err(|error| refused(error.to_string()))?;
        let taken = catalogue.find(server.slug.as_str()).await.map_err(|error| Problem::caused(&error))?;
        if taken.is_some() {
            return Err(refused(format!("there is a server {} already", server.slug)));
        }
        ready.push((server, notes));
    }
    let mut told = Vec::new();
    for (server, notes) in ready {
        create(&catalogue, &server, config).await?;
        if arguments.format.json {
            let kept = find(&catalogue, server.slug.as_str()).await?;
            told.push(json!({ "server": shown::server(&kept), "notes": notes }));
        } else {
            eprintln!("{} is added.", server.slug);
            for note in &notes {
                eprintln!("  {note}");
            }
        }
    }
    if arguments.format.json {
        print_json(&told.into_iter().collect());
    }
    Ok(())
}

fn read_toml(text: &str) -> Result<Vec<Imported>, String> {
    let file: File = Figment::from(Toml::string(text)).extract().map_err(|error| error.to_string())?;
    Ok(file.server.into_iter().map(|description| Imported { description, notes: Vec::new() }).collect())
}
