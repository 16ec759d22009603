//! `portcullis config …`: every setting with who said it, and the checklist for production.

use clap::Subcommand;
use serde_json::{Value, json};

use super::check::{self, Finding, Verdict};
use super::output::{Format, print_json, print_table, say};
use crate::Problem;
use crate::config::{Config, Sources, show};

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every setting, its value and where it comes from; passwords are masked
    Show(Format),
    /// Go through the checklist for production; changes nothing, and ends with code 1 when something fails
    Check(Format),
}

/// Does what was asked.
pub(super) async fn run(command: ConfigCommand, config: &Config, sources: &Sources) -> Result<(), Problem> {
    match command {
        ConfigCommand::Show(format) => show_all(format, config, sources),
        ConfigCommand::Check(format) => check_all(format, config).await,
    }
}

fn show_all(format: Format, config: &Config, sources: &Sources) -> Result<(), Problem> {
    let shown = show(config, sources)?;
    if format.json {
        let member = |shown: crate::config::Shown| {
            (shown.name.to_owned(), json!({ "value": shown.value, "source": shown.origin }))
        };
        print_json(&Value::Object(shown.into_iter().map(member).collect()));
    } else {
        let rows =
            shown.into_iter().map(|shown| vec![shown.name.to_owned(), plain(&shown.value), shown.origin]);
        print_table(&["setting", "value", "from"], rows.collect());
    }
    Ok(())
}

/// A value without the punctuation of JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

async fn check_all(format: Format, config: &Config) -> Result<(), Problem> {
    let findings = check::findings(config).await;
    if format.json {
        print_json(&findings.iter().map(describe).collect());
    } else {
        findings.iter().for_each(tell);
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        1 => Err(Problem::failed("1 check failed; what to do stands beside it")),
        failed => Err(Problem::failed(format!("{failed} checks failed; what to do stands beside each"))),
    }
}

fn tell(finding: &Finding) {
    say(&format_args!("{:<4}  {:<17} {}", finding.verdict.word(), finding.check, finding.found));
    if let Some(advice) = &finding.advice {
        say(&format_args!("{:<24}→ {advice}", ""));
    }
}

fn describe(finding: &Finding) -> Value {
    json!({
        "check": finding.check,
        "verdict": finding.verdict.word(),
        "found": finding.found,
        "advice": finding.advice,
    })
}
