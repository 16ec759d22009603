//! `portcullis server set SLUG`: what a server may ask clients for.

use clap::Args;
use portcullis_resource_server::catalogue::Relays;

use super::shown::show;
use super::{OneServer, existing, find, refused};
use crate::Problem;
use crate::config::Config;

/// A server and what it may do.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetArguments {
    #[command(flatten)]
    one: OneServer,
    /// What it may ask clients for: sampling, roots, both with a comma between them, or none
    #[arg(long, value_name = "WHAT", value_delimiter = ',', required = true)]
    relays: Vec<String>,
}

/// The words as a file has them: there, none is none.
pub(super) fn words(relays: Vec<String>) -> Vec<String> {
    if relays == ["none"] { vec![] } else { relays }
}

/// Says it.
pub(super) async fn set(arguments: &SetArguments, config: &Config) -> Result<(), Problem> {
    let words = words(arguments.relays.clone());
    let relays = Relays::parse(words.iter().map(String::as_str));
    let relays = relays.map_err(|unknown| Problem::configuration(unknown.to_string()))?;
    let servers = existing(config).await?;
    let server = find(&servers, &arguments.one.slug).await?;
    servers.set_relays(&server.slug, relays).await.map_err(|error| refused(&server.slug, &error))?;
    show(&find(&servers, &arguments.one.slug).await?, arguments.one.format);
    Ok(())
}
