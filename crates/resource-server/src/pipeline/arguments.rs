//! Arguments: mended or refused where they are not as they should be ([`sanitise`]), then held against the tool's schema. What
//! does not fit is told to the model, not to the transport, with the place and the rule and never with the value (TOOL-4,
//! DC-27). What was validated is what is sent.

mod known;
mod sanitise;

use jsonschema::ValidationError;
use serde_json::{Map, Value};

use super::case::Case;
use crate::connections::ArgumentRule;
use crate::offer::Offer;
use crate::pins::made_visible;
use crate::refusal::Refusal;

/// So many violations are named.
const NAMED: usize = 3;
/// Longer descriptions are cut, in characters.
const LONGEST: usize = 200;

/// Arguments as they may go on. A tool whose schema cannot be used cannot be called (TOOL-3, TOOL-6).
pub(super) fn obey(
    case: &mut Case,
    (tool, rule): (&Offer, ArgumentRule),
    arguments: Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    let schema = tool.schema().map_err(|why| {
        let text = format!("This tool cannot be called: {why}. The people who run its server can mend that.");
        Refusal::tool("schema_unusable", text)
    })?;
    let mut value = Value::Object(arguments);
    let described = tool.description.get("inputSchema").unwrap_or(&Value::Null);
    let changes = sanitise::mend(&mut value, described);
    if rule == ArgumentRule::Reject && !changes.is_empty() {
        let text = format!("The arguments are not taken as they are. {}", changes.join("; "));
        return Err(Refusal::tool("arguments_rejected", text));
    }
    case.sanitised(changes);
    let violations: Vec<String> = schema.iter_errors(&value).take(NAMED).map(|error| told(&error)).collect();
    match value {
        Value::Object(arguments) if violations.is_empty() => Ok(arguments),
        _ => Err(Refusal::tool(
            "arguments_invalid",
            format!("The arguments do not fit the tool. {}", violations.join("; ")),
        )),
    }
}

/// A violation: where, what, and by which rule. The value itself may be a secret.
fn told(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { "arguments".to_owned() } else { place };
    let what: String = error.masked().to_string().chars().take(LONGEST).collect();
    made_visible(&format!("{place}: {what} (rule: {})", error.kind().keyword()))
}
