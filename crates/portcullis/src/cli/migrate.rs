//! `portcullis migrate`: the schema is brought up to date, which every start does too, and each step is named.

use portcullis_database::{Inspection, Step};
use serde_json::json;

use super::output::{Format, print_json, say};
use super::store;
use crate::Problem;
use crate::config::Config;

/// Takes the steps that are missing.
pub(super) async fn run(format: Format, config: &Config) -> Result<(), Problem> {
    let before = steps(config).await?;
    let database = store::open(config).await?;
    let engine = database.engine();
    database.close().await;
    let after = steps(config).await?;
    let taken: Vec<&Step> = after.iter().filter(|step| !before.contains(step)).collect();
    if format.json {
        let steps = taken.iter().map(|step| json!({ "version": step.version, "name": step.description }));
        print_json(&json!({ "engine": engine, "applied": steps.collect::<Vec<_>>() }));
        return Ok(());
    }
    for step in &taken {
        say(&format_args!("applied {:04} {}", step.version, step.description));
    }
    match taken.len() {
        0 => say(&format_args!("The schema on {engine} was up to date already.")),
        1 => say(&format_args!("The schema on {engine} is up to date: 1 step was missing.")),
        count => say(&format_args!("The schema on {engine} is up to date: {count} steps were missing.")),
    }
    Ok(())
}

async fn steps(config: &Config) -> Result<Vec<Step>, Problem> {
    let opened = Inspection::open(config.database_url.expose()).await;
    match opened.map_err(|error| Problem::caused(&error))? {
        Some(mut inspection) => {
            let steps = inspection.steps().await;
            inspection.close().await;
            steps.map_err(|error| Problem::caused(&error))
        }
        None => Ok(Vec::new()),
    }
}
