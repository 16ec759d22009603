//! The server under test: the same command line as the binary's, in this program.

use clap::Parser;
use portcullis::cli::Cli;

use crate::Outcome;

/// Runs `portcullis` with the words that follow ours.
pub(crate) fn serve() -> Outcome<()> {
    let words = std::iter::once("portcullis".into()).chain(std::env::args_os().skip(2));
    let cli = Cli::try_parse_from(words)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(cli.run()).map_err(|problem| problem.to_string().into())
}
