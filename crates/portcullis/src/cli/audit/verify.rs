//! `portcullis audit verify`: whether every record is what it was.

use std::path::PathBuf;

use clap::Args;
use portcullis_audit::{Anchors, ChainReport, Trail, Verification};
use portcullis_oauth::{Clock, SystemClock};
use portcullis_vault::Vault;
use serde_json::{Value, json};

use crate::Problem;
use crate::app::paper;
use crate::cli::output::{Format, print_json, print_table, say};
use crate::cli::store;
use crate::config::Config;

/// Against what.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArguments {
    /// The folder with copies of the checkpoints [default: audit in the data folder]
    #[arg(long, value_name = "DIR")]
    anchors: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Walks every chain.
pub(super) async fn run(arguments: &VerifyArguments, config: &Config) -> Result<(), Problem> {
    let database = store::open_existing(config).await?;
    let vault = Vault::unlock(&config.master_key, &database, SystemClock.now()).await;
    let vault = vault.map_err(|error| Problem::caused(&error))?;
    let trail = Trail::keeping(database, paper::keeping(config, &vault));
    let anchors = anchors(arguments, config)?;
    let found = trail.verify(&anchors).await.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        print_json(&describe(&found, &anchors));
    } else {
        tell(&found, &anchors);
    }
    match found.faults().next() {
        None => Ok(()),
        Some((node, fault)) => {
            Err(Problem::failed(format!("the audit trail of {node} is not whole: {fault}")))
        }
    }
}

/// Those in a folder that was named; else those that this node wrote, if it did.
fn anchors(arguments: &VerifyArguments, config: &Config) -> Result<Anchors, Problem> {
    let own = config.audit_folder();
    let folder = arguments.anchors.as_ref().or_else(|| own.exists().then_some(&own));
    folder.map_or_else(|| Ok(Anchors::default()), |folder| Anchors::read(folder).map_err(Problem::failed))
}

fn tell(found: &Verification, anchors: &Anchors) {
    if found.chains.is_empty() {
        say(&"Nothing was recorded yet.");
        return;
    }
    let heading = ["node", "records", "from", "to", "erased", "checkpoints", "verdict"];
    print_table(&heading, found.chains.iter().map(row).collect());
    if found.waiting > 0 {
        say(&format!(
            "{} more wait for their place, which a running server gives them within a minute.",
            found.waiting
        ));
    }
    if anchors.iter().len() == 0 {
        say(&"There are no checkpoints: that the newest records were cut off could not be seen.");
    }
}

fn row(chain: &ChainReport) -> Vec<String> {
    let verdict = chain.fault.as_ref().map_or_else(|| "whole".to_owned(), ToString::to_string);
    vec![
        chain.node.clone(),
        chain.records.to_string(),
        (chain.base + 1).to_string(),
        chain.last.to_string(),
        chain.erased.to_string(),
        chain.anchors.to_string(),
        verdict,
    ]
}

fn describe(found: &Verification, anchors: &Anchors) -> Value {
    let chain = |chain: &ChainReport| {
        json!({
            "node": chain.node,
            "records": chain.records,
            "deleted_up_to": chain.base,
            "last": chain.last,
            "erased": chain.erased,
            "checkpoints": chain.anchors,
            "fault": chain.fault.as_ref().map(ToString::to_string),
        })
    };
    json!({
        "whole": found.is_good(),
        "chains": found.chains.iter().map(chain).collect::<Vec<_>>(),
        "waiting": found.waiting,
        "checkpoints": anchors.iter().len(),
    })
}
