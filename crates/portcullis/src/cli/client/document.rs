//! Clients that name themselves by the URL of a document: what an admin holds of each.

use std::sync::Arc;

use clap::Args;
use portcullis_authorization_server::{ClientTrust, Clients};
use portcullis_oauth::{ClientIdUrl, SystemClock};
use serde_json::json;

use super::existing;
use crate::Problem;
use crate::cli::confirm::Confirmation;
use crate::cli::output::{Format, print_json, print_table, say, time};
use crate::cli::store;
use crate::config::Config;

/// One document and a form of output.
#[derive(Debug, Args)]
pub(in crate::cli) struct OneDocument {
    /// The document's URL, which is the client's identifier
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    format: Format,
}

/// A document to be blocked.
#[derive(Debug, Args)]
pub(in crate::cli) struct BlockArguments {
    #[command(flatten)]
    one: OneDocument,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) async fn trust(one: &OneDocument, config: &Config) -> Result<(), Problem> {
    let url = one.url(config)?;
    // What nobody has asked for yet can be allowed before the first start.
    let clients = Clients::new(store::open(config).await?, Arc::new(SystemClock));
    clients.trust(&url).await.map_err(|error| Problem::caused(&error))?;
    tell(one, &url, ClientTrust::Trusted, "is trusted now.");
    Ok(())
}

pub(super) async fn block(arguments: &BlockArguments, config: &Config) -> Result<(), Problem> {
    let url = arguments.one.url(config)?;
    let clients = Clients::new(store::open(config).await?, Arc::new(SystemClock));
    let question = format!("Block {url}, and end everything that it was granted?");
    arguments.confirmation.obtain(&question, "block the client")?;
    clients.block(&url).await.map_err(|error| Problem::caused(&error))?;
    tell(&arguments.one, &url, ClientTrust::Blocked, "is blocked; what it was granted has ended.");
    Ok(())
}

pub(super) async fn list(format: Format, config: &Config) -> Result<(), Problem> {
    let all = existing(config).await?.trusts().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        let entry = |(id, trust, at): &(_, ClientTrust, _)| json!({ "client_id": id, "trust": trust.as_str(), "since": time(*at) });
        print_json(&all.iter().map(entry).collect());
    } else if all.is_empty() {
        say(
            &"No document waits, is trusted or is blocked. `portcullis client list` shows the clients that have one.",
        );
    } else {
        let row =
            |(id, trust, at)| vec![ToString::to_string(&id), ClientTrust::as_str(trust).to_owned(), time(at)];
        print_table(&["client_id", "trust", "since"], all.into_iter().map(row).collect());
    }
    Ok(())
}

impl OneDocument {
    /// The same rules as at the authorization endpoint: what could never ask cannot be decided about.
    fn url(&self, config: &Config) -> Result<ClientIdUrl, Problem> {
        let loopback = config.assumed_public_url()?.is_loopback();
        ClientIdUrl::parse(&self.url, loopback)
            .map_err(|error| Problem::failed(format!("{} is no client's name: {error}", self.url)))
    }
}

fn tell(one: &OneDocument, url: &ClientIdUrl, trust: ClientTrust, done: &str) {
    if one.format.json {
        print_json(&json!({ "client_id": url.as_str(), "trust": trust.as_str() }));
    } else {
        eprintln!("{url} {done}");
    }
}
