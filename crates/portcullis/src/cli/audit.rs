//! `portcullis audit …`: the paper trail.

mod verify;

use clap::Subcommand;

use self::verify::VerifyArguments;
use crate::Problem;
use crate::config::Config;

/// What can be asked of the paper trail.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
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
        AuditCommand::Verify(arguments) => verify::run(&arguments, config).await,
    }
}
