//! Policy files: checked, and tried by the cases beside them. Needs no database.

use std::path::{Path, PathBuf};

use clap::Args;
use portcullis_console::shown;
use portcullis_policy::trial::{Outcome, Trial};
use portcullis_policy::{Origin, PolicySet};
use serde_json::{Value, json};

use crate::Problem;
use crate::cli::output::{Format, print_json, say};

/// A policy file to be checked.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArguments {
    /// The policy, in Cedar's language
    file: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// A policy file to be tried.
#[derive(Debug, Args)]
pub(in crate::cli) struct TestArguments {
    /// The policy, in Cedar's language
    file: PathBuf,
    /// The cases, in TOML [default: the policy's name with .toml]
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// `policy check`: everything that is wrong, each with its line and what to do.
pub(super) fn check(arguments: &CheckArguments) -> Result<(), Problem> {
    let set = parse(&arguments.file, &read(&arguments.file)?, arguments.format)?;
    let rules = set.rules();
    let own: Vec<_> = rules.iter().filter(|rule| rule.origin == Origin::Policy).collect();
    if arguments.format.json {
        let rules: Vec<Value> =
            own.iter().map(|rule| json!({ "id": rule.id, "reason": rule.reason })).collect();
        print_json(&json!({ "problems": [], "rules": rules }));
    } else {
        say(&format_args!("{}: {} policies, no problem.", arguments.file.display(), own.len()));
    }
    Ok(())
}

/// `policy test`: one line a case; exit code 1 when one goes otherwise.
pub(super) fn test(arguments: &TestArguments) -> Result<(), Problem> {
    let set = parse(&arguments.file, &read(&arguments.file)?, arguments.format)?;
    let cases = arguments.cases.clone().unwrap_or_else(|| arguments.file.with_extension("toml"));
    let wrong = |error: String| Problem::failed(format!("{}: {error}", cases.display()));
    let outcomes = Trial::parse(&read(&cases)?).map_err(wrong)?.run(&set);
    if arguments.format.json {
        print_json(&outcomes.iter().map(shown::outcome).collect());
    } else {
        outcomes.iter().for_each(tell);
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    match failed {
        0 => Ok(()),
        _ => Err(Problem::failed(format!("{failed} of {} cases went otherwise", outcomes.len()))),
    }
}

/// The text of a file.
pub(super) fn read(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file)
        .map_err(|error| Problem::failed(format!("{} cannot be read: {error}", file.display())))
}

/// The policies of a text. What is wrong with it is printed, a line each.
pub(super) fn parse(file: &Path, text: &str, format: Format) -> Result<PolicySet, Problem> {
    PolicySet::parse(text).map_err(|problems| {
        if format.json {
            let all: Vec<Value> = problems.iter().map(shown::problem).collect();
            print_json(&json!({ "problems": all }));
        } else {
            for problem in &problems {
                let (line, column) = (problem.line, problem.column);
                say(&format_args!("{}:{line}:{column}: {}", file.display(), problem.message));
                if let Some(hint) = &problem.hint {
                    say(&format_args!("    {hint}"));
                }
            }
        }
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        Problem::failed(format!("{} has {count} {noun}, so it cannot be activated", file.display()))
    })
}

fn tell(outcome: &Outcome) {
    let (mark, rule) = if outcome.passed() { ("ok", "") } else { ("WRONG", ": ") };
    say(&format_args!("{mark:<6} {}{rule}{}", outcome.name, outcome.wrong.join("; ")));
}
