//! `portcullis audit …`: the paper trail.

mod export;
mod query;
mod search;
mod verify;

use clap::Subcommand;

use self::export::ExportArguments;
use self::search::SearchArguments;
use self::verify::VerifyArguments;
use crate::Problem;
use crate::config::Config;

/// What can be asked of the paper trail.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List what happened, the newest first
    #[command(after_help = "\
Examples:
  portcullis audit search --decision refused --since 1h
  portcullis audit search --user ada@example.com --tool sandbox__echo
  portcullis audit search --action sign_in --since 7d --json

Events are kept for audit_days. What is under a telling name, such as password or token, was never kept.")]
    Search(SearchArguments),
    /// Print everything that happened, the oldest first, for other programs
    #[command(after_help = "\
Examples:
  portcullis audit export --since 30d > audit.jsonl
  portcullis audit export --user ada@example.com --format csv > ada.csv

In CSV, a cell that a spreadsheet would run as a formula begins with an apostrophe.")]
    Export(ExportArguments),
    /// Find out whether a record was changed, removed or moved, and name the first
    #[command(after_help = "\
Examples:
  portcullis audit verify
  portcullis audit verify --anchors /mnt/safe/audit --json

Every record holds the hash of the one before it. That the newest were cut off, or that everything behind a record was
written anew, only checkpoints show: the server writes one a minute to DIR/audit and to the log, signed with a key that
the database does not hold. Copy them to where nobody who can write to the database can. What happened after the last
copy cannot be proven. The exit code is 1 when something is wrong.")]
    Verify(VerifyArguments),
}

/// Does what was asked.
pub(super) async fn run(command: AuditCommand, config: &Config) -> Result<(), Problem> {
    match command {
        AuditCommand::Search(arguments) => search::run(&arguments, config).await,
        AuditCommand::Export(arguments) => export::run(&arguments, config).await,
        AuditCommand::Verify(arguments) => verify::run(&arguments, config).await,
    }
}
