//! What ends a command: one sentence that says what to do, and the exit code.

use std::fmt;
use std::process::ExitCode;

/// Why a command ended without doing what it was asked. Displays as one sentence.
#[derive(Debug)]
pub struct Problem {
    sentence: String,
    code: u8,
}

impl Problem {
    /// Something in the configuration or on the command line has to be put right: exit code 2.
    pub fn configuration(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code: 2 }
    }

    /// The configuration was understood and the thing still could not be done: exit code 1.
    pub fn failed(sentence: impl fmt::Display) -> Self {
        Self { sentence: sentence.to_string(), code: 1 }
    }

    /// What was asked for was found out, and the answer itself is a code for scripts, which the command documents.
    pub fn with_code(sentence: impl Into<String>, code: u8) -> Self {
        Self { sentence: sentence.into(), code }
    }

    /// As [`failed`](Self::failed), followed by what each deeper layer said, for causes that only an operator sees.
    pub fn caused(error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let sentence = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self::failed(sentence)
    }

    /// The code of the process.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Problem {
    /// One line, whatever a deeper layer said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.sentence.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
        f.write_str(words.next().unwrap_or_default())?;
        words.try_for_each(|line| write!(f, " {line}"))
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line() {
        assert_eq!(Problem::failed("the key\n   |\n 3 is odd\r\n").to_string(), "the key | 3 is odd");
    }
}
