//! Records for other programs: JSON Lines, and CSV that a spreadsheet does not run.

use std::io::{Error, Write};

use portcullis_oauth::Timestamp;
use serde_json::{Map, Value};

use crate::record::Kept;

/// The columns of an export. The salt is not among them: with it, what was erased here could be guessed elsewhere.
const COLUMNS: [&str; 24] = [
    "at",
    "id",
    "node",
    "sequence",
    "action",
    "outcome",
    "reason",
    "principal",
    "email",
    "client",
    "connection",
    "server_kind",
    "tool",
    "result_kind",
    "duration_us",
    "policy_version",
    "client_address",
    "user_agent",
    "session",
    "trace_id",
    "erased",
    "payload_hash",
    "hash",
    "detail",
];

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line.
    JsonLines,
    /// RFC 4180, with a heading.
    Csv,
}

/// Writes records, one after the other.
#[derive(Debug)]
pub struct Export<W: Write>(Kind<W>);

#[derive(Debug)]
enum Kind<W: Write> {
    JsonLines(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Export<W> {
    /// Begins an export.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(to: W, format: ExportFormat) -> Result<Self, Error> {
        Ok(Self(match format {
            ExportFormat::JsonLines => Kind::JsonLines(to),
            ExportFormat::Csv => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(COLUMNS)?;
                Kind::Csv(Box::new(writer))
            }
        }))
    }

    /// Writes a record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, record: &Kept) -> Result<(), Error> {
        match &mut self.0 {
            Kind::JsonLines(to) => writeln!(to, "{}", record.to_json()),
            Kind::Csv(to) => {
                let object = record.to_json();
                let cells = COLUMNS.map(|column| cell(object.get(column)));
                to.write_record(&cells).map_err(Into::into)
            }
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        match self.0 {
            Kind::JsonLines(mut to) => to.flush(),
            Kind::Csv(mut to) => to.flush(),
        }
    }
}

impl Kept {
    /// The record as exports and searches show it; what is not known is left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let detail = self
            .detail
            .as_deref()
            .map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let fields: [(&str, Option<Value>); 24] = [
            ("at", Some(Value::from(written(self.at)))),
            ("id", Some(Value::from(self.id.as_str()))),
            ("node", text(&self.node)),
            ("sequence", self.sequence.map(Value::from)),
            ("action", Some(Value::from(self.action.as_str()))),
            ("outcome", Some(Value::from(self.outcome.as_str()))),
            ("reason", text(&self.reason)),
            ("principal", text(&self.principal_id)),
            ("email", text(&self.email)),
            ("client", text(&self.client_id)),
            ("connection", text(&self.connection_id)),
            ("server_kind", text(&self.server_kind)),
            ("tool", text(&self.tool)),
            ("result_kind", text(&self.result_kind)),
            ("duration_us", self.duration_us.map(Value::from)),
            ("policy_version", text(&self.policy_version)),
            ("client_address", text(&self.client_address)),
            ("user_agent", text(&self.user_agent)),
            ("session", text(&self.session)),
            ("trace_id", text(&self.trace_id)),
            ("erased", self.erased_by.as_deref().map(Value::from)),
            ("payload_hash", text(&self.payload_hash)),
            ("hash", text(&self.hash)),
            ("detail", detail),
        ];
        let known = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(known.collect::<Map<_, _>>())
    }
}

/// RFC 3339 with microseconds, UTC.
fn written(at: Timestamp) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.micros()) * 1_000);
    let format = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
    );
    moment.ok().and_then(|moment| moment.format(&format).ok()).unwrap_or_else(|| at.micros().to_string())
}

/// A cell that no spreadsheet takes for a formula, whatever a stranger called himself, and no terminal obeys.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let runs = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if runs { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        let shown = |text: &str| cell(Some(&Value::from(text)));
        assert_eq!(shown("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
        assert_eq!(shown("\t@SUM(A1)"), "' @SUM(A1)");
        assert_eq!(shown("－1+1"), "'－1+1");
        assert_eq!(shown("plain\r\n\u{1b}[2J"), "plain   [2J");
        assert_eq!((cell(None), cell(Some(&Value::from(5)))), (String::new(), "5".to_owned()));
    }

    #[test]
    fn a_time_is_rfc_3339() {
        assert_eq!(written(Timestamp::from_micros(1_790_000_000_000_001)), "2026-09-21T14:13:20.000001Z");
    }
}
