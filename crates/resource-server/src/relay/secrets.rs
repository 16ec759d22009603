//! The secrets of a connection, and their removal from what its upstream says: an upstream that echoes what it was sent
//! must not hand a credential to the client (T34, ELIC-6). By exact match, in whatever way the text was escaped.

use std::fmt;

use serde_json::Value;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::reply::Reply;

/// Shorter ones are not looked for: they would be found in ordinary words.
const SHORTEST: usize = 6;
/// What stands in their place.
const REMOVED: &str = "[removed]";

/// What a connection must never hear again. Wiped when dropped; `Debug` says nothing of it.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<Zeroizing<String>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Adds one, as it is stored or as it is sent.
    pub(crate) fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.0.push(Zeroizing::new(secret.to_owned()));
            // The longest first, so that none leaves a part of another.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// Each of them, for whoever has to keep them out of something else.
    pub(crate) fn values(&self) -> Vec<Zeroizing<String>> {
        self.0.clone()
    }

    /// Whether one of them is in a text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// Each of them, for the paper trail to leave out.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|secret| secret.as_str()).collect()
    }

    /// A text without them.
    pub(crate) fn removed_from_text(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), REMOVED) } else { text }
        })
    }

    /// A value without them, names of members included.
    pub(crate) fn removed_from_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.removed_from_text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.removed_from_value(item)).collect(),
            Value::Object(members) => {
                let clean = |(name, value)| (self.removed_from_text(name), self.removed_from_value(value));
                Value::Object(members.into_iter().map(clean).collect())
            }
            Value::Number(number) if self.0.iter().any(|secret| **secret == number.to_string()) => {
                Value::from(REMOVED)
            }
            other => other,
        }
    }

    /// JSON without them; it is written anew only where one may be in it.
    pub(crate) fn removed_from_raw(&self, raw: Box<RawValue>) -> Box<RawValue> {
        if !self.may_be_in(raw.get()) {
            return raw;
        }
        let value = serde_json::from_str(raw.get()).map(|value| self.removed_from_value(value));
        value.and_then(|value| serde_json::value::to_raw_value(&value)).unwrap_or_default()
    }

    /// A result without them.
    pub(crate) fn removed_from(&self, reply: Reply) -> Reply {
        if !self.may_be_in(&reply.text()) {
            return reply;
        }
        let value = serde_json::from_str(&reply.text()).unwrap_or(Value::Null);
        self.removed_from_value(value).into()
    }

    /// Whether one is in this JSON, or could be behind an escape that need not have been one.
    fn may_be_in(&self, json: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let escaped = json.contains("\\u") || json.contains("\\/");
        escaped
            || self.0.iter().any(|secret| {
                let written = Value::from(secret.as_str()).to_string();
                json.contains(written.trim_matches('"')) || json.contains(secret.as_str())
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// T34
    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let mut secrets = Secrets::default();
        secrets.add("s3cr\"et/value");
        secrets.add("1234567890");
        secrets.add("tiny");
        for said in [
            r#"{"content":[{"text":"your key is s3cr\"et/value!"}]}"#,
            r#"{"content":[{"text":"s3cr\u0022et\/value"}]}"#,
            r#"{"content":[{"text":"\u00733cr\"et/value"}]}"#,
            r#"{"s3cr\"et/value":1}"#,
            r#"{"n":1234567890}"#,
        ] {
            let reply = Reply::read(&RawValue::from_string(said.to_owned()).unwrap()).unwrap();
            let text = secrets.removed_from(reply).text();
            assert!(text.contains("[removed]"), "{text}");
        }
        let plain = json!({"text": "a tiny thing"});
        assert_eq!(secrets.removed_from(plain.clone().into()).text(), plain.to_string());
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
    }
}
