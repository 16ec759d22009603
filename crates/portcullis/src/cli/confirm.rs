//! The question before what cannot be taken back.

use std::io::{IsTerminal, Write, stderr, stdin};

use crate::Problem;

/// Whether to ask.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Confirmation {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Confirmation {
    /// Asks `question`, unless it was answered on the command line. `act` is what `--yes` would do.
    ///
    /// # Errors
    /// When the answer is no, or nobody is there to answer.
    pub(super) fn obtain(self, question: &str, act: &str) -> Result<(), Problem> {
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            return Err(Problem::configuration(format!(
                "there is no terminal to ask on; say --yes to {act} without asking"
            )));
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        let read = stderr().flush().and_then(|()| stdin().read_line(&mut answer));
        if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(Problem::failed("nothing was changed"))
        }
    }
}
