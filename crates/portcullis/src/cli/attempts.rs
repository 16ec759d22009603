//! `portcullis attempts …`: why an authorization failed, step by step.

use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_authorization_server::{
    Attempt, AttemptCursor, AttemptFilter, AttemptLeg, AttemptOutcome, AttemptStep, AttemptSummary, Attempts,
    Users,
};
use portcullis_console::shown;
use portcullis_oauth::{ClientId, Clock, Seconds, SystemClock};
use serde_json::{Value, json};

use super::output::{Format, print_fields, print_json, print_table, say, time};
use super::span::span;
use super::store;
use crate::Problem;
use crate::config::Config;

/// What can be asked about attempts.
#[derive(Debug, Subcommand)]
pub(super) enum AttemptsCommand {
    /// List the attempts of the last week, the newest first
    #[command(after_help = "\
Examples:
  portcullis attempts list --failed
  portcullis attempts list --since 1h --user ada@example.com
  portcullis attempts list --client client_Zm9vYmFy --json

An attempt begins when a client sends somebody to this server, pushes a request or is a device that asks; it goes on
at the consent page and ends when the client has its tokens. `waiting`: the next step is somebody else's.")]
    List(ListArguments),
    /// Show one attempt: what was expected at each step, what came, and what to do
    #[command(after_help = "\
Examples:
  portcullis attempts show 7K3QW-XMP4T
  portcullis attempts show req_63f1a2b4c5d6eZm9vYmFyYmF6cXU

ID is the number that the error page asks people to quote, or the X-Request-Id of any answer of the attempt, which the
log has too. Attempts are kept for a week; no secret is among what is kept.")]
    Show(ShowArguments),
}

/// Which attempts.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those of this client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Only those of this person
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Only those of which something was refused
    #[arg(long)]
    failed: bool,
    /// Only those of which something was told within this time, such as 30m, 1h or 2d
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Seconds>,
    /// No more than so many
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on where the last page ended
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    after: Option<AttemptCursor>,
    #[command(flatten)]
    format: Format,
}

/// Which attempt.
#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The attempt's number, or the id of one of its requests
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    format: Format,
}

/// Does what was asked.
pub(super) async fn run(command: AttemptsCommand, config: &Config) -> Result<(), Problem> {
    match command {
        AttemptsCommand::List(arguments) => list(arguments, config).await,
        AttemptsCommand::Show(arguments) => show(&arguments, config).await,
    }
}

async fn list(arguments: ListArguments, config: &Config) -> Result<(), Problem> {
    let database = store::open_existing(config).await?;
    let clock = Arc::new(SystemClock);
    let since = arguments.since.map(|span| clock.now().minus(span));
    let user = match &arguments.user {
        None => None,
        Some(email) => {
            let found = Users::new(database.clone(), clock).find_by_email(email).await;
            let found = found.map_err(|error| Problem::caused(&error))?;
            let unknown = || Problem::failed(format!("nobody has the e-mail address {email}"));
            Some(found.ok_or_else(unknown)?.id)
        }
    };
    let filter =
        AttemptFilter { client: arguments.client.map(ClientId::from), user, failed: arguments.failed, since };
    let found = Attempts::new(database).list(&filter, arguments.after.as_ref(), arguments.limit).await;
    let (attempts, next) = found.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        let attempts: Vec<Value> = attempts.iter().map(shown::attempt).collect();
        print_json(&json!({ "attempts": attempts, "next": next.map(|cursor| cursor.encode()) }));
    } else if attempts.is_empty() {
        say(&"No such attempt within the last week.");
    } else {
        let heading = ["attempt", "last", "client", "user", "outcome", "reason"];
        print_table(&heading, attempts.iter().map(row).collect());
        if let Some(cursor) = next {
            eprintln!("There are more: add --after {}", cursor.encode());
        }
    }
    Ok(())
}

fn row(attempt: &AttemptSummary) -> Vec<String> {
    let reason = attempt.reason.map(|reason| reason.as_str().to_owned());
    vec![
        attempt.id.to_string(),
        time(attempt.last_at),
        client(attempt),
        attempt.user.clone().unwrap_or_default(),
        attempt.outcome.as_str().to_owned(),
        reason.unwrap_or_default(),
    ]
}

/// The client's name for people; its identifier where it has none here.
fn client(attempt: &AttemptSummary) -> String {
    let id = || attempt.client_id.as_ref().map(ToString::to_string);
    attempt.client_name.clone().or_else(id).unwrap_or_else(|| "unknown".to_owned())
}

async fn show(arguments: &ShowArguments, config: &Config) -> Result<(), Problem> {
    let attempts = Attempts::new(store::open_existing(config).await?);
    let found = attempts.show(&arguments.id).await.map_err(|error| Problem::caused(&error))?;
    let attempt = found.ok_or_else(|| {
        Problem::failed(format!(
            "no attempt or request of the last week has the id {}; `portcullis attempts list` shows every one",
            arguments.id
        ))
    })?;
    if arguments.format.json {
        print_json(&shown::whole_attempt(&attempt));
        return Ok(());
    }
    let summary = &attempt.summary;
    let id = summary.client_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
    print_fields(&[
        ("attempt", summary.id.to_string()),
        ("client", format!("{}{id}", client(summary))),
        ("user", summary.user.clone().unwrap_or_else(|| "nobody was signed in".to_owned())),
        ("began", time(summary.began_at)),
        ("last", time(summary.last_at)),
        ("outcome", summary.outcome.as_str().to_owned()),
    ]);
    say(&"");
    let heading = ["when", "request", "step", "expected", "got", "verdict"];
    let rows = attempt.legs.iter().flat_map(|leg| leg.steps.iter().map(move |step| step_row(leg, step)));
    print_table(&heading, rows.collect());
    say(&"");
    say(&conclusion(&attempt));
    Ok(())
}

fn step_row(leg: &AttemptLeg, step: &AttemptStep) -> Vec<String> {
    let verdict =
        step.reason.map_or_else(|| "ok".to_owned(), |reason| format!("refused: {}", reason.as_str()));
    let words = |word: &str| word.replace('_', " ");
    vec![
        time(leg.at),
        words(leg.stage.as_str()),
        words(step.step.as_str()),
        step.expected.clone(),
        step.got.clone(),
        verdict,
    ]
}

/// The last line: what to do.
fn conclusion(attempt: &Attempt) -> String {
    match (attempt.summary.outcome, attempt.advice()) {
        (AttemptOutcome::Refused, Some(advice)) => format!("What to do: {advice}"),
        (AttemptOutcome::Refused, None) => {
            "It was refused; the log tells more under the requests' ids.".to_owned()
        }
        (AttemptOutcome::Done, Some(advice)) => {
            format!("It went well in the end. Where it was refused before: {advice}")
        }
        (AttemptOutcome::Done, None) => "It went well: the client has its tokens.".to_owned(),
        (AttemptOutcome::Waiting, Some(advice)) => {
            format!("It goes on with the person or the client. Where it was refused before: {advice}")
        }
        (AttemptOutcome::Waiting, None) => {
            "Nothing was refused: it waits for the person to answer, or for the client to fetch its tokens."
                .to_owned()
        }
    }
}

fn cursor(text: &str) -> Result<AttemptCursor, String> {
    AttemptCursor::decode(text).ok_or_else(|| "a cursor is what the last page ended with".to_owned())
}
