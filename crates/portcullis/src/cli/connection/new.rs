//! A connection from words on the command line, with its secrets from standard input: never from an argument, which
//! everybody on the machine could read.

use std::collections::BTreeMap;
use std::io::{BufRead, stdin};

use clap::Args;
use portcullis_oauth::{Alias, PrincipalId, Secret};
use portcullis_resource_server::catalogue::AuthKind;
use portcullis_resource_server::{Answers as Filled, Application};

use crate::Problem;
use crate::cli::output::Format;

/// More is no secret.
const LONGEST: u64 = 64 * 1_024;

/// A new connection.
#[derive(Debug, Args)]
pub(in crate::cli) struct AddArguments {
    /// Whose it will be
    #[arg(long, value_name = "EMAIL")]
    pub(super) user: String,
    /// The server, as `server list` shows it
    #[arg(long, value_name = "SLUG")]
    server: String,
    /// What the user calls it: 1 to 12 lower-case letters and digits
    #[arg(long)]
    alias: String,
    /// The account there, for people
    #[arg(long, default_value = "")]
    label: String,
    #[command(flatten)]
    answers: Answers,
    #[command(flatten)]
    pub(super) format: Format,
}

/// What is filled in.
#[derive(Debug, Args)]
pub(in crate::cli) struct Answers {
    /// Read what goes into the header from standard input
    #[arg(long, conflicts_with = "basic_stdin")]
    header_stdin: bool,
    /// Read USER:PASSWORD from standard input
    #[arg(long)]
    basic_stdin: bool,
    /// A value that the server asks for and that is no secret; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// Read a secret that the server asks for from standard input; may be given several times
    #[arg(long = "secret-stdin", value_name = "NAME")]
    secrets: Vec<String>,
}

/// `NAME=VALUE`
fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write a name, = and a value".to_owned())
}

impl AddArguments {
    pub(super) fn application(self, principal: PrincipalId) -> Result<Application, Problem> {
        let alias = Alias::parse(&self.alias).map_err(|error| Problem::configuration(error.to_string()))?;
        let auth = match (self.answers.header_stdin, self.answers.basic_stdin) {
            (true, _) => Some(AuthKind::Header),
            (_, true) => Some(AuthKind::Basic),
            _ => None,
        };
        let answers = self.answers.read()?;
        Ok(Application { principal, alias, label: self.label, server: self.server, auth, answers })
    }
}

impl Answers {
    /// Everything, with as many lines of standard input as were announced.
    pub(super) fn read(self) -> Result<Filled, Problem> {
        self.read_from(stdin().lock())
    }

    fn read_from(self, input: impl BufRead) -> Result<Filled, Problem> {
        let mut lines = input.take(LONGEST).lines();
        let mut next = |what: &str| match lines.next() {
            Some(Ok(line)) if !line.is_empty() => Ok(Secret::presented(line.trim_end_matches('\r'))),
            Some(Err(error)) => Err(Problem::failed(format!("standard input cannot be read: {error}"))),
            _ => Err(Problem::configuration(format!("standard input holds no line for {what}"))),
        };
        let mut filled = Filled { settings: self.settings.into_iter().collect(), ..Filled::default() };
        if self.header_stdin {
            filled.header = Some(next("the header")?);
        }
        if self.basic_stdin {
            let line = next("user name and password")?;
            let apart = line
                .expose()
                .split_once(':')
                .map(|(user, password)| (Secret::presented(user), Secret::presented(password)));
            filled.basic =
                Some(apart.ok_or_else(|| Problem::configuration("write USER:PASSWORD on standard input"))?);
        }
        let mut secrets = BTreeMap::new();
        for name in self.secrets {
            let secret = next(&name)?;
            secrets.insert(name, secret);
        }
        filled.secrets = secrets;
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_a_line_in_the_order_of_the_options() {
        let asked = |secrets: &[&str]| Answers {
            header_stdin: false,
            basic_stdin: true,
            settings: vec![],
            secrets: secrets.iter().map(|&name| name.to_owned()).collect(),
        };
        let filled = asked(&["token"]).read_from("ada:p:w\r\nt-1\n".as_bytes()).unwrap();
        let (user, password) = filled.basic.unwrap();
        assert_eq!(
            (user.expose(), password.expose(), filled.secrets["token"].expose()),
            ("ada", "p:w", "t-1")
        );
        let problem = asked(&["token"]).read_from("ada:pw\n".as_bytes()).unwrap_err().to_string();
        assert_eq!(problem, "standard input holds no line for token");
        assert!(asked(&[]).read_from("ada\n".as_bytes()).is_err());
    }
}
