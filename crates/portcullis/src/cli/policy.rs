//! `portcullis policy …`: who may do what. Policies are files that an administrator keeps; here they are checked, tried and
//! activated.

mod explain;
mod file;
mod replay;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use portcullis_console::shown;
use portcullis_database::{ChangeFeed, Database};
use portcullis_oauth::SystemClock;
use portcullis_resource_server::{Policies, PolicyError, PolicyVersion};

use self::explain::ExplainArguments;
use self::file::{CheckArguments, TestArguments};
use self::replay::ReplayArguments;
use super::confirm::Confirmation;
use super::output::{Format, print_json, print_table, say, time};
use super::{author, store};
use crate::Problem;
use crate::config::Config;

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Check a policy file without activating it
    Check(CheckArguments),
    /// Run the cases kept beside a policy file: who calls what, and what should be decided
    #[command(after_help = "\
Examples:
  portcullis policy test team.cedar                      runs the cases in team.toml
  portcullis policy test team.cedar --cases more.toml

`policies/examples` holds policies to start from, each with its cases.")]
    Test(TestArguments),
    /// Say what a policy file would have decided otherwise of the calls of the past
    #[command(after_help = "\
Examples:
  portcullis policy replay team.cedar                    the calls of the last 7 days
  portcullis policy replay team.cedar --since 30d --json

Each decision is recorded with all that it stood on, for as long as audit events are kept; arguments under telling names,
such as password or token, are not. A call that cannot be decided without them is counted as such.

The exit code is 0 when every call would be decided as it was, 3 when one would be decided otherwise, 4 when none would
as far as can be said, 1 when there was no answer.")]
    Replay(ReplayArguments),
    /// Make a file the policy; every node decides by it within a second
    Activate(ActivateArguments),
    /// List every version, the newest first
    Versions(Format),
    /// Print the policy that holds, or an earlier version
    Show {
        /// Which version; 0 is the default [default: the one that holds]
        version: Option<i64>,
    },
    /// Show what differs between versions, or between the policy that holds and a file
    #[command(after_help = "\
Examples:
  portcullis policy diff 3          from version 3 to the one that holds
  portcullis policy diff 3 5
  portcullis policy diff --file team.cedar")]
    Diff(DiffArguments),
    /// Make an earlier version the policy again, as a new version
    Rollback(RollbackArguments),
    /// Say what would be decided, and name every rule that took part
    #[command(after_help = "\
Examples:
  portcullis policy explain --user ada@example.com --connection work --tool delete_repository
  portcullis policy explain --user ada@example.com --connection work --tool search --args '{\"q\": \"x\"}' --json
  portcullis policy explain --user ada@example.com --connection work --prompt review
  portcullis policy explain --user ada@example.com --connection work --resource file:///plan.md
  portcullis policy explain --user ada@example.com --connection work --list
  portcullis policy explain --user ada@example.com --connection work --manage

A list of tools needs no permit of its own, and is kept back by a rule that forbids alone. So it is
with who looks after their connection on the gateway's own pages: --manage without --client.")]
    Explain(ExplainArguments),
}

/// A policy to be activated.
#[derive(Debug, Args)]
pub(super) struct ActivateArguments {
    /// The policy, in Cedar's language
    file: PathBuf,
    /// Why, for those who read the versions later
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    #[command(flatten)]
    format: Format,
}

/// Two versions.
#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// From this version [default: the one that holds]
    from: Option<i64>,
    /// To this version [default: the one that holds]
    to: Option<i64>,
    /// To this file
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    file: Option<PathBuf>,
}

/// A version to go back to.
#[derive(Debug, Args)]
pub(super) struct RollbackArguments {
    /// Which; 0 is the default
    version: i64,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    format: Format,
}

/// Does what was asked.
pub(super) async fn run(command: PolicyCommand, config: &Config) -> Result<(), Problem> {
    match command {
        PolicyCommand::Check(arguments) => file::check(&arguments),
        PolicyCommand::Test(arguments) => file::test(&arguments),
        PolicyCommand::Replay(arguments) => replay::run(&arguments, config).await,
        PolicyCommand::Activate(arguments) => activate(&arguments, config).await,
        PolicyCommand::Versions(format) => versions(format, config).await,
        PolicyCommand::Show { version } => {
            say(&one(&existing(config).await?, version).await?.text.trim_end());
            Ok(())
        }
        PolicyCommand::Diff(arguments) => diff(&arguments, config).await,
        PolicyCommand::Rollback(arguments) => roll_back(&arguments, config).await,
        PolicyCommand::Explain(arguments) => explain::run(&arguments, config).await,
    }
}

fn policies(database: Database) -> Policies {
    let feed = ChangeFeed::new(database.clone(), Arc::new(SystemClock));
    Policies::new(database, feed, Arc::new(SystemClock))
}

async fn existing(config: &Config) -> Result<Policies, Problem> {
    Ok(policies(store::open_existing(config).await?))
}

async fn activate(arguments: &ActivateArguments, config: &Config) -> Result<(), Problem> {
    let text = file::read(&arguments.file)?;
    file::parse(&arguments.file, &text, arguments.format)?;
    let policies = policies(store::open(config).await?);
    let made = policies.activate(&text, &author(), &arguments.note).await.map_err(|error| problem(&error))?;
    told(&made, arguments.format);
    Ok(())
}

async fn roll_back(arguments: &RollbackArguments, config: &Config) -> Result<(), Problem> {
    let policies = existing(config).await?;
    one(&policies, Some(arguments.version)).await?;
    let question = format!("Make version {} the policy again?", arguments.version);
    arguments.confirmation.obtain(&question, "go back to it")?;
    let made = policies.roll_back(arguments.version, &author()).await.map_err(|error| problem(&error))?;
    told(&made, arguments.format);
    Ok(())
}

async fn versions(format: Format, config: &Config) -> Result<(), Problem> {
    let all = existing(config).await?.list().await.map_err(|error| Problem::caused(&error))?;
    if format.json {
        print_json(&all.iter().map(shown::version).collect());
        return Ok(());
    }
    let row = |(place, version): (usize, &PolicyVersion)| {
        let holds = if place == 0 { "holds" } else { "" };
        let activated = if version.version == 0 { String::new() } else { time(version.created_at) };
        vec![
            version.version.to_string(),
            holds.to_owned(),
            version.author.clone(),
            activated,
            version.note.clone(),
        ]
    };
    print_table(&["version", "", "by", "activated", "note"], all.iter().enumerate().map(row).collect());
    Ok(())
}

async fn diff(arguments: &DiffArguments, config: &Config) -> Result<(), Problem> {
    let policies = existing(config).await?;
    let from = one(&policies, arguments.from).await?;
    let (name, to) = match &arguments.file {
        Some(file) => (file.display().to_string(), file::read(file)?),
        None => {
            let to = one(&policies, arguments.to).await?;
            (format!("version {}", to.version), to.text)
        }
    };
    if from.text == to {
        eprintln!("version {} and {name} are the same.", from.version);
        return Ok(());
    }
    let headed = shown::difference((&format!("version {}", from.version), &from.text), (&name, &to));
    say(&headed.trim_end());
    Ok(())
}

/// A version, or the one that holds.
async fn one(policies: &Policies, version: Option<i64>) -> Result<PolicyVersion, Problem> {
    let Some(version) = version else {
        return policies.current().await.map_err(|error| Problem::caused(&error));
    };
    let found = policies.find(version).await.map_err(|error| Problem::caused(&error))?;
    found.ok_or_else(|| Problem::failed(PolicyError::Unknown(version)))
}

/// Everything that is wrong, in one sentence.
fn problem(error: &PolicyError) -> Problem {
    match error {
        PolicyError::Invalid(problems) => {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Problem::failed(format!("{error}: {}", all.join("; ")))
        }
        other => Problem::caused(other),
    }
}

fn told(version: &PolicyVersion, format: Format) {
    if format.json {
        print_json(&shown::version(version));
    } else {
        eprintln!("Version {} is the policy from now on.", version.version);
    }
}
