//! `policy replay`: the recorded calls of the paper trail, decided again under another policy before it is activated.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use portcullis_audit::{Records, Trail};
use portcullis_oauth::{Clock, Seconds, SystemClock};
use portcullis_policy::replay::{Report, Tally, Undecidable};
use portcullis_resource_server::Replay;
use portcullis_vault::Vault;
use serde_json::{Map, Value, json};

use super::file;
use crate::Problem;
use crate::cli::output::{Format, print_json, say};
use crate::cli::span::span;
use crate::cli::store;
use crate::config::Config;

/// So many tools, users or rules are named for people; JSON has them all.
const NAMED: usize = 10;
/// The exit code when a call would have been decided otherwise.
const CHANGED: u8 = 3;
/// The exit code when none would, as far as can be said.
const UNDECIDED: u8 = 4;

/// A policy to be held against the past.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArguments {
    /// The policy, in Cedar's language
    file: PathBuf,
    /// Calls since this time, such as 1h or 7d ago
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "7d")]
    since: Seconds,
    #[command(flatten)]
    format: Format,
}

/// Replays.
pub(super) async fn run(arguments: &ReplayArguments, config: &Config) -> Result<(), Problem> {
    let set = file::parse(&arguments.file, &file::read(&arguments.file)?, arguments.format)?;
    let database = store::open_existing(config).await?;
    let clock = Arc::new(SystemClock);
    let vault = Vault::unlock(&config.master_key, &database, clock.now()).await;
    let vault = vault.map_err(|error| Problem::caused(&error))?;
    let snapshots = Trail::new(database.clone()).snapshots();
    let replay = Replay::new(Records::new(database), snapshots, &vault);
    let since = clock.now().minus(arguments.since);
    let report = replay.run(&set, since).await.map_err(|error| Problem::caused(&error))?;
    if arguments.format.json {
        print_json(&describe(&report));
    } else {
        tell(&report);
    }
    verdict(&report)
}

/// What a script learns from the exit code.
fn verdict(report: &Report) -> Result<(), Problem> {
    match (report.changed(), report.undecided()) {
        (0, 0) => Ok(()),
        (0, undecided) => {
            let sentence = format!("{undecided} of {} calls could not be decided again", report.calls);
            Err(Problem::with_code(sentence, UNDECIDED))
        }
        (changed, _) => {
            let sentence = format!("{changed} of {} calls would be decided otherwise", report.calls);
            Err(Problem::with_code(sentence, CHANGED))
        }
    }
}

fn tell(report: &Report) {
    if report.calls == 0 {
        say(&"There was nothing to replay: no call was recorded in that time.");
        return;
    }
    let calls = grouped(report.calls);
    say(&format_args!(
        "would have denied {} of {calls} calls{}",
        grouped(report.denied.calls),
        whose(&report.denied)
    ));
    say(&format_args!(
        "would have asked approval for {}{}",
        grouped(report.asked.calls),
        whose(&report.asked)
    ));
    say(&format_args!("would newly allow {}{}", grouped(report.allowed.calls), whose(&report.allowed)));
    for (why, count) in &report.undecidable {
        let words = match why {
            Undecidable::NotRecorded => "nothing was recorded of what they stood on, or it was erased",
            Undecidable::Redacted => "the policy asks for arguments that were not kept",
            Undecidable::Unreadable => "what was recorded is gone or does not open",
        };
        say(&format_args!("could not decide {}: {words}", grouped(*count)));
    }
}

/// The tools, users and rules of some calls.
fn whose(tally: &Tally) -> String {
    if tally.calls == 0 {
        return String::new();
    }
    let list = |what: &str, counts: &BTreeMap<String, u64>| {
        let mut counts: Vec<_> = counts.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let named = counts.iter().take(NAMED).map(|(name, count)| format!("{} ({count})", printable(name)));
        let more = counts.len().saturating_sub(NAMED);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("\n    {what}: {}{rest}", named.collect::<Vec<_>>().join(", "))
    };
    list("tools", &tally.tools) + &list("users", &tally.users) + &list("rules", &tally.rules)
}

/// Names of strangers do not steer the terminal.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// `3,201`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn describe(report: &Report) -> Value {
    let tally = |tally: &Tally| json!({ "calls": tally.calls, "tools": tally.tools, "users": tally.users, "rules": tally.rules });
    let count = |why: &Undecidable| report.undecidable.get(why).copied().unwrap_or_default();
    let undecidable: Map<String, Value> =
        Undecidable::ALL.iter().map(|why| (why.as_str().to_owned(), Value::from(count(why)))).collect();
    json!({
        "calls": report.calls,
        "denied": tally(&report.denied),
        "asked": tally(&report.asked),
        "allowed": tally(&report.allowed),
        "undecidable": undecidable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_learns_what_changes_from_the_exit_code() {
        let code = |report: &Report| verdict(report).map_err(|problem| format!("{:?}", problem.exit_code()));
        let as_code = |code: u8| Err(format!("{:?}", std::process::ExitCode::from(code)));
        let mut report = Report { calls: 9, ..Report::default() };
        assert_eq!(code(&report), Ok(()));
        report.undecidable.insert(Undecidable::Redacted, 2);
        assert_eq!(code(&report), as_code(UNDECIDED));
        for (denied, asked, allowed) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
            let mut changed = report.clone();
            (changed.denied.calls, changed.asked.calls, changed.allowed.calls) = (denied, asked, allowed);
            assert_eq!(code(&changed), as_code(CHANGED));
        }
    }

    #[test]
    fn a_count_is_read_at_a_glance() {
        let shown = [0, 14, 999, 3_201, 100_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "14", "999", "3,201", "100,000", "1,234,567"]);
    }
}
