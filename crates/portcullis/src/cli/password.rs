//! A password that somebody chooses or proves to have: from a pipe, or asked at a terminal, twice where it is new. Never from an argument, which everybody
//! on the machine could read.

use std::io::{BufRead, IsTerminal, stdin};

use portcullis_oauth::Secret;

use crate::Problem;

/// Longer lines are no passwords.
const LONGEST: u64 = 4_096;

/// Where the password comes from.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// A password that somebody chooses.
    pub(super) fn read(self, email: &str) -> Result<Secret, Problem> {
        let once = self.prove(email)?;
        if self.password_stdin {
            return Ok(once);
        }
        let again = ask("The same again: ".to_owned())?;
        if once.hash().matches(&again) {
            Ok(once)
        } else {
            Err(Problem::failed("the two passwords are not the same; run the command again"))
        }
    }

    /// A password that somebody has, asked for once.
    pub(super) fn prove(self, email: &str) -> Result<Secret, Problem> {
        if self.password_stdin {
            return first_line(stdin().lock());
        }
        if !stdin().is_terminal() {
            return Err(Problem::configuration(
                "there is no terminal to ask for a password; pipe it in with --password-stdin",
            ));
        }
        ask(format!("Password for {email}: "))
    }
}

fn ask(prompt: String) -> Result<Secret, Problem> {
    rpassword::prompt_password(prompt).map(Secret::presented).map_err(|error| {
        Problem::failed(format!("the password could not be read from the terminal: {error}"))
    })
}

fn first_line(input: impl BufRead) -> Result<Secret, Problem> {
    let mut line = String::new();
    let read = input.take(LONGEST).read_line(&mut line);
    let password = Secret::presented(
        line.strip_suffix('\n').map_or(line.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)),
    );
    match read {
        Ok(_) if !password.expose().is_empty() => Ok(password),
        Ok(_) => Err(Problem::configuration(
            "standard input holds no password; write it on the first line, as in `printf '%s' \"$PASSWORD\" | portcullis user …`",
        )),
        Err(error) => {
            Err(Problem::failed(format!("the password could not be read from standard input: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_with_its_spaces() {
        for given in ["correct horse ", "correct horse \n", "correct horse \r\nnext"] {
            assert_eq!(first_line(given.as_bytes()).unwrap().expose(), "correct horse ");
        }
    }

    #[test]
    fn an_empty_input_is_no_password() {
        assert!(first_line("\n".as_bytes()).unwrap_err().to_string().contains("holds no password"));
    }
}
