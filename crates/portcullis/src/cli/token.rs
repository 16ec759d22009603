//! `portcullis token …`: ending access by hand. A running server refuses what was ended within a second.

use std::io::{BufRead, IsTerminal, stdin};
use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{Clients, Ended, Revocations, Users};
use portcullis_oauth::{ClientId, GrantId, Secret, SystemClock};
use serde_json::json;

use super::confirm::Confirmation;
use super::output::{Format, print_json};
use super::store;
use crate::Problem;
use crate::config::Config;

/// Longer lines are no tokens.
const LONGEST: u64 = 16_384;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// End a token, a grant, or everything of a user or a client
    #[command(after_help = "\
Examples:
  portcullis token revoke                        asks for the token; it is not shown
  printf '%s' \"$TOKEN\" | portcullis token revoke --token-stdin --yes
  portcullis token revoke --user ada@example.com
  portcullis token revoke --client client_Zm9vYmFy

An access token ends alone; a refresh token takes its grant along, which is every token that came of the same consent.
What was ended stays ended: the client has to ask again. Running servers refuse it within a second; a jwt that another
server checks by itself lives until it expires.")]
    Revoke(RevokeArguments),
}

/// What to end.
#[derive(Debug, Args)]
pub(super) struct RevokeArguments {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
struct What {
    /// Read the token from the first line of standard input instead of asking for it
    #[arg(long)]
    token_stdin: bool,
    /// End this grant, with all of its tokens
    #[arg(long, value_name = "GRANT_ID")]
    grant: Option<String>,
    /// End all that clients may do for this user
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// End all that this client may do, for everybody
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
}

/// What a line names.
enum Target {
    Token(Secret),
    Grant(GrantId),
    User(String),
    Client(ClientId),
}

/// Does what was asked.
pub(super) async fn run(command: TokenCommand, config: &Config) -> Result<(), Problem> {
    let TokenCommand::Revoke(arguments) = command;
    let target = arguments.what.read()?;
    let database = store::open_existing(config).await?;
    arguments.confirmation.obtain(&target.question(), "revoke")?;
    let clock = Arc::new(SystemClock);
    let revocations = Revocations::new(database.clone(), clock.clone());
    let ended = match target {
        Target::Token(token) => revocations.end_token(&token).await,
        Target::Grant(grant) => revocations.end_grant(&grant).await.map(Some),
        Target::User(email) => {
            let found = Users::new(database, clock).find_by_email(&email).await;
            let user = found.map_err(|error| Problem::caused(&error))?;
            let user =
                user.ok_or_else(|| Problem::failed(format!("nobody has the e-mail address {email}")))?;
            revocations.end_user(&user.id).await.map(Some)
        }
        Target::Client(id) => {
            let found = Clients::new(database, clock).find(&id).await;
            let client = found.map_err(|error| Problem::caused(&error))?;
            client.ok_or_else(|| Problem::failed(format!("no client has the client_id {id}")))?;
            revocations.end_client(&id).await.map(Some)
        }
    };
    tell(ended.map_err(|error| Problem::caused(&error))?, arguments.format)
}

impl What {
    fn read(self) -> Result<Target, Problem> {
        if let Some(grant) = self.grant {
            return Ok(Target::Grant(GrantId::from(grant)));
        }
        if let Some(email) = self.user {
            return Ok(Target::User(email));
        }
        if let Some(client) = self.client {
            return Ok(Target::Client(ClientId::from(client)));
        }
        if self.token_stdin || !stdin().is_terminal() {
            return first_line(stdin().lock()).map(Target::Token);
        }
        let asked = rpassword::prompt_password("Token: ").map_err(|error| {
            Problem::failed(format!("the token could not be read from the terminal: {error}"))
        })?;
        Ok(Target::Token(Secret::presented(asked.trim())))
    }
}

impl Target {
    fn question(&self) -> String {
        match self {
            Self::Token(_) => "Revoke this token?".to_owned(),
            Self::Grant(grant) => format!("Revoke {grant}, with every token of it?"),
            Self::User(email) => format!("Revoke everything that clients may do for {email}?"),
            Self::Client(client) => format!("Revoke everything that {client} may do, for everybody?"),
        }
    }
}

fn first_line(input: impl BufRead) -> Result<Secret, Problem> {
    let mut line = String::new();
    let read = input.take(LONGEST).read_line(&mut line);
    let token = Secret::presented(line.trim());
    match read {
        Ok(_) if !token.expose().is_empty() => Ok(token),
        Ok(_) => Err(Problem::configuration(
            "nothing says what to revoke: write the token on the first line of standard input, or name --grant, --user or --client",
        )),
        Err(error) => {
            Err(Problem::failed(format!("the token could not be read from standard input: {error}")))
        }
    }
}

fn tell(ended: Option<Ended>, format: Format) -> Result<(), Problem> {
    let (tokens, grants) = match ended {
        None | Some(Ended::Grants(0)) => {
            return Err(Problem::failed("nothing was revoked: nothing of it is live here"));
        }
        Some(Ended::AccessToken) => (1, 0),
        Some(Ended::Grants(count)) => (0, count),
    };
    if format.json {
        print_json(&json!({ "access_tokens": tokens, "grants": grants }));
    } else if grants == 0 {
        eprintln!("The access token is revoked.");
    } else {
        eprintln!(
            "{grants} {} revoked, with every token.",
            if grants == 1 { "grant is" } else { "grants are" }
        );
    }
    Ok(())
}
