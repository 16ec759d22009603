//! What commands print: tables for people, JSON for scripts.

use std::fmt::Display;
use std::io::{Write, stdout};

use comfy_table::{Table, presets};
use serde_json::Value;

pub(super) use portcullis_console::shown::time;

use crate::Problem;

/// For people, or with `--json` for scripts.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Format {
    /// Print JSON for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// A heading and the rows below it.
pub(super) fn print_table(heading: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heading.iter().map(|cell| cell.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    say(&table);
}

/// Names on the left, values on the right.
pub(super) fn print_fields(fields: &[(&str, String)]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in fields {
        table.add_row([(*name).to_owned(), printable(value)]);
    }
    say(&table);
}

/// One JSON document, indented.
pub(super) fn print_json(value: &Value) {
    say(&format_args!("{value:#}"));
}

/// To stdout. A reader that has gone, as in `| head`, is no failure.
pub(crate) fn say(text: &dyn Display) {
    let _ = writeln!(stdout(), "{text}");
}

/// To stdout, for what is shown once and never again.
///
/// # Errors
/// When it could not be written.
pub(super) fn must_say(text: &dyn Display) -> Result<(), Problem> {
    let written = writeln!(stdout(), "{text}").and_then(|()| stdout().flush());
    written.map_err(|error| {
        Problem::failed(format!("what is shown only once could not be written: {error}; ask for a new one"))
    })
}

/// What a stranger named (a client names itself) must not steer the terminal: control characters, and those that turn
/// the direction of text, become spaces. Line feeds stay, since our own lists have them.
fn printable(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// `yes` or nothing.
pub(super) fn tick(yes: bool) -> String {
    if yes { "yes".to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::Timestamp;

    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(printable("Evil\u{1b}[2J\u{202e}\ttxt"), "Evil [2J  txt");
        assert_eq!(printable("one\ntwo"), "one\ntwo");
    }

    #[test]
    fn time_is_rfc_3339() {
        assert_eq!(time(Timestamp::from_micros(1_790_000_000_000_000)), "2026-09-21T14:13:20Z");
    }
}
