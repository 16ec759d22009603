//! `portcullis audit export`: every record that fits, the oldest first, for other programs.

use std::io::{BufWriter, Error, ErrorKind, stdout};

use clap::{Args, ValueEnum};
use portcullis_audit::{Export, ExportFormat, Order, Records};

use super::query::QueryArguments;
use crate::Problem;
use crate::cli::store;
use crate::config::Config;

/// So many records are read at once.
const PAGE: u16 = 1_000;

/// Which records, in which form.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArguments {
    #[command(flatten)]
    query: QueryArguments,
    /// One JSON object a line, or a table for a spreadsheet
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
}

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Jsonl,
    Csv,
}

/// Prints all of them.
pub(super) async fn run(arguments: &ExportArguments, config: &Config) -> Result<(), Problem> {
    let database = store::open_existing(config).await?;
    let query = arguments.query.read(&database).await?;
    let format = match arguments.format {
        Form::Jsonl => ExportFormat::JsonLines,
        Form::Csv => ExportFormat::Csv,
    };
    let records = Records::new(database);
    let mut export = Export::begin(BufWriter::new(stdout()), format).map_err(|error| unwritten(&error))?;
    let mut after = None;
    loop {
        let page = records.page(&query, Order::Oldest, after.as_ref(), PAGE);
        let (page, next) = page.await.map_err(|error| Problem::caused(&error))?;
        for record in &page {
            match export.write(record) {
                // A reader that has gone, as in `| head`, is no failure.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(|error| unwritten(&error))?,
            }
        }
        match next {
            Some(cursor) => after = Some(cursor),
            None => break,
        }
    }
    match export.finish() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        finished => finished.map_err(|error| unwritten(&error)),
    }
}

fn unwritten(error: &Error) -> Problem {
    Problem::failed(format!("the export could not be written: {error}"))
}
