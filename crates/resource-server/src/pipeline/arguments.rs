//! Arguments obey the tool's schema; what does not is told to the model, not to the transport (TOOL-4, DC-27).

use serde_json::{Map, Value};

use crate::offer::Offer;
use crate::refusal::Refusal;

/// So many violations are named.
const NAMED: usize = 3;
/// Longer descriptions are cut.
const LONGEST: usize = 200;

/// Checks arguments. A tool whose schema cannot be used cannot be called (TOOL-3, TOOL-6).
pub(super) fn obey(tool: &Offer, arguments: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let schema = tool.schema().map_err(|why| {
        let text = format!("This tool cannot be called: {why}. The people who run its server can mend that.");
        Refusal::tool("schema_unusable", text)
    })?;
    let value = Value::Object(arguments);
    let violations: Vec<String> = schema
        .iter_errors(&value)
        .take(NAMED)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "arguments".to_owned() } else { place };
            format!("{place}: {}", error.to_string().chars().take(LONGEST).collect::<String>())
        })
        .collect();
    match value {
        Value::Object(arguments) if violations.is_empty() => Ok(arguments),
        _ => Err(Refusal::tool(
            "arguments_invalid",
            format!("The arguments do not fit the tool. {}", violations.join("; ")),
        )),
    }
}
