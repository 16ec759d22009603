//! `portcullis audit search`: records, the newest first.

use clap::Args;
use portcullis_audit::{Cursor, Kept, Order, Records};
use serde_json::{Value, json};

use super::query::QueryArguments;
use crate::Problem;
use crate::cli::output::{Format, print_json, print_table, say, time};
use crate::cli::store;
use crate::config::Config;

/// Which records, and how many.
#[derive(Debug, Args)]
pub(in crate::cli) struct SearchArguments {
    #[command(flatten)]
    query: QueryArguments,
    /// No more than so many
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on where the last page ended
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    after: Option<Cursor>,
    #[command(flatten)]
    format: Format,
}

/// Prints a page.
pub(super) async fn run(arguments: &SearchArguments, config: &Config) -> Result<(), Problem> {
    let database = store::open_existing(config).await?;
    let query = arguments.query.read(&database).await?;
    let records = Records::new(database);
    let page = records.page(&query, Order::Newest, arguments.after.as_ref(), arguments.limit);
    let (records, next) = page.await.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        let records: Vec<Value> = records.iter().map(Kept::to_json).collect();
        print_json(&json!({ "events": records, "next": next.map(|cursor| cursor.encode()) }));
    } else if records.is_empty() {
        say(&"No such event.");
    } else {
        let heading = ["when", "action", "decision", "reason", "user", "client", "tool", "request"];
        print_table(&heading, records.iter().map(row).collect());
        if let Some(cursor) = next {
            eprintln!("There are more: add --after {}", cursor.encode());
        }
    }
    Ok(())
}

fn row(record: &Kept) -> Vec<String> {
    let shown = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        time(record.at),
        record.action.clone(),
        record.outcome.clone(),
        shown(&record.reason),
        record.email.clone().unwrap_or_else(|| shown(&record.principal_id)),
        shown(&record.client_id),
        shown(&record.tool),
        shown(&record.trace_id),
    ]
}

fn cursor(text: &str) -> Result<Cursor, String> {
    Cursor::decode(text).ok_or_else(|| "a cursor is what the last page ended with".to_owned())
}
