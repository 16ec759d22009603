//! `portcullis keys rotate-encryption` and `keys verify`: the keys that seal what is secret in the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use portcullis_authorization_server::SigningKeys;
use portcullis_database::Database;
use portcullis_oauth::{Clock, SystemClock};
use portcullis_resource_server::{Credentials, verify_upstream_secrets};
use portcullis_vault::{MasterKey, Rotated, Vault, Verified};
use serde_json::json;

use crate::Problem;
use crate::cli::confirm::Confirmation;
use crate::cli::output::{Format, print_json, print_table, say};

/// What is to be replaced.
#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArguments {
    /// Replace the master key too: this file holds the new one, and is made if it is not there
    #[arg(long, value_name = "FILE")]
    replace_master_key: Option<PathBuf>,
    /// End the replacement: from now on only the configured master key opens anything
    #[arg(long, conflicts_with = "replace_master_key")]
    forget_old_master_key: bool,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    format: Format,
}

/// Does what was asked.
pub(super) async fn rotate(
    arguments: &RotateArguments,
    database: Database,
    vault: &Vault,
) -> Result<(), Problem> {
    // What the master key itself sealed in former releases would not follow it.
    let signing_keys = SigningKeys::new(database, Arc::new(SystemClock), vault);
    signing_keys.reseal().await.map_err(|error| Problem::caused(&error))?;
    if arguments.forget_old_master_key {
        return forget(arguments, vault).await;
    }
    let file = arguments.replace_master_key.as_deref();
    let successor =
        file.map(MasterKey::open_or_create).transpose().map_err(|error| Problem::caused(&error))?;
    let rotated = vault.rotate(successor.as_ref(), SystemClock.now()).await;
    let rotated = rotated.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        print_json(&json!({
            "current": rotated.current,
            "resumed": rotated.resumed,
            "rewrapped": rotated.rewrapped,
            "retired": rotated.retired,
            "damaged": rotated.damaged,
        }));
    } else {
        tell(&rotated, file);
    }
    if rotated.damaged.is_empty() { Ok(()) } else { Err(damaged(&rotated)) }
}

fn tell(rotated: &Rotated, successor: Option<&Path>) {
    if rotated.resumed {
        say(&"A rotation that had been cut off was finished.");
    }
    say(&format_args!(
        "{} wraps every data key now; {} were wrapped anew.",
        rotated.current, rotated.rewrapped
    ));
    for id in &rotated.retired {
        say(&format_args!("{id} is gone: nothing was left that it wrapped."));
    }
    if let Some(file) = successor {
        say(&format_args!(
            "\nBoth master keys open everything now. To finish:\n\
             1. Keep a copy of {} where no copy of the database is.\n\
             2. Let every node have it (master_key_file, PORTCULLIS_MASTER_KEY or master_key_command) and start it again.\n\
             3. With the new key configured, run: portcullis keys rotate-encryption --forget-old-master-key",
            file.display()
        ));
    }
}

fn damaged(rotated: &Rotated) -> Problem {
    Problem::failed(format!(
        "these data keys do not open, and the old key stays for them: {}; restore them from a backup, or set the credentials of these connections anew after removing them",
        rotated.damaged.join(", ")
    ))
}

async fn forget(arguments: &RotateArguments, vault: &Vault) -> Result<(), Problem> {
    let question = "Forget every master key but the configured one? Nodes that still run with another fail from then on.";
    arguments.confirmation.obtain(question, "forget the old master key")?;
    let forgotten = vault.forget_other_master_keys(SystemClock.now()).await;
    let forgotten = forgotten.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        print_json(&json!({ "forgotten": forgotten }));
    } else if forgotten == 0 {
        say(&"There was no other master key.");
    } else {
        say(&"The old master key opens nothing here any more. Backups from before still need it.");
    }
    Ok(())
}

/// Opens every row that is sealed, and ends with code 1 when one does not open.
pub(super) async fn verify(format: Format, database: Database, vault: &Vault) -> Result<(), Problem> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = vault.verify().await.map_err(|error| Problem::caused(&error))?;
    let credentials = Credentials::new(database.clone(), vault.clone(), Arc::clone(&clock)).verify().await;
    let credentials = credentials.map_err(|error| Problem::caused(&error))?;
    let upstream =
        verify_upstream_secrets(&database, vault).await.map_err(|error| Problem::caused(&error))?;
    let signing_keys = SigningKeys::new(database, clock, vault).verify().await;
    let signing_keys = signing_keys.map_err(|error| Problem::caused(&error))?;
    let all: Vec<Verified> =
        keys.into_iter().chain([credentials]).chain(upstream).chain([signing_keys]).collect();
    if format.json {
        let kind =
            |kind: &Verified| json!({ "kind": kind.what, "opened": kind.opened, "failed": kind.failed });
        print_json(&all.iter().map(kind).collect());
    } else {
        let row =
            |kind: &Verified| vec![kind.what.to_owned(), kind.opened.to_string(), kind.failed.join("\n")];
        print_table(&["what", "open", "do not open"], all.iter().map(row).collect());
    }
    let failed: usize = all.iter().map(|kind| kind.failed.len()).sum();
    if failed == 0 {
        return Ok(());
    }
    Err(Problem::failed(format!(
        "{failed} of them do not open: somebody changed or moved rows, or a backup was mixed with another; restore the database from a backup, or set these anew"
    )))
}
