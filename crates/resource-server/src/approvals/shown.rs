//! What a call says, for the person who decides: all of it, without secrets, as text in which nothing is hidden and
//! nothing steers.

use std::fmt::Write;

use portcullis_audit::Redaction;
use serde_json::Value;

use crate::unseen::is_unseen;

/// What stands in the place of a secret.
const MASKED: &str = "[masked]";

/// Arguments without what stands under a telling name, at whatever depth, in an order of their own.
pub(super) fn masked(mut value: Value, redaction: &Redaction) -> Value {
    mask(&mut value, redaction);
    value.sort_all_objects();
    value
}

fn mask(value: &mut Value, redaction: &Redaction) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if redaction.is_secret(name) {
                    *value = Value::from(MASKED);
                } else {
                    mask(value, redaction);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, redaction)),
        _ => {}
    }
}

/// A value as text, one member a line. Characters that nobody sees, that change the direction of others or that look like
/// a plain space are written as JSON escapes.
pub(super) fn text(value: &Value) -> String {
    plain(&format!("{value:#}"))
}

/// The same for a short text.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unseen(letter) || letter.is_whitespace() && !matches!(letter, ' ' | '\n') {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                // A String takes everything.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        let said = json!({"b": [{"apiKey": "k"}], "a": "x", "password": {"p": 1}});
        let shown = masked(said, &Redaction::default());
        assert_eq!(shown.to_string(), r#"{"a":"x","b":[{"apiKey":"[masked]"}],"password":"[masked]"}"#);
    }

    /// T26: what would be hidden from the person who decides is written out
    #[test]
    fn what_is_hidden_is_made_visible() {
        let said = json!({"to": "a\u{202e}b\u{200b}c\u{e0041}", "note": "<b>\u{1b}[2J</b>\u{a0}x"});
        assert_eq!(
            text(&said),
            "{\n  \"to\": \"a\\u202eb\\u200bc\\udb40\\udc41\",\n  \"note\": \"<b>\\u001b[2J</b>\\u00a0x\"\n}"
        );
    }
}
