//! A result on its way to the client: its members stay as the upstream wrote them, so that what this release does not know
//! passes unharmed, and only what the gateway adds or takes away is written anew.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// Where both sides and everybody between may leave notes.
const META: &str = "_meta";

/// A result.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Reply(BTreeMap<String, Box<RawValue>>);

impl Reply {
    /// Reads what an upstream answered; `None` for what is not an object.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).map(Self).ok()
    }

    /// One member, as it was written.
    pub(crate) fn raw(&self, member: &str) -> Option<&RawValue> {
        self.0.get(member).map(AsRef::as_ref)
    }

    /// One member.
    pub(crate) fn get(&self, member: &str) -> Option<Value> {
        serde_json::from_str(self.raw(member)?.get()).ok()
    }

    /// Writes one member.
    pub(crate) fn set(&mut self, member: &str, value: &Value) {
        // A value can always be written.
        if let Ok(raw) = to_raw_value(value) {
            self.0.insert(member.to_owned(), raw);
        }
    }

    /// The same with one member more.
    pub(crate) fn with(mut self, member: &str, value: &Value) -> Self {
        self.set(member, value);
        self
    }

    /// Leaves a note beside those that are there.
    pub(crate) fn note(&mut self, key: &str, value: Value) {
        let mut meta = match self.get(META) {
            Some(Value::Object(meta)) => meta,
            _ => Map::new(),
        };
        meta.insert(key.to_owned(), value);
        self.set(META, &Value::Object(meta));
    }

    /// Whether it is a tool's failure.
    pub(crate) fn is_error(&self) -> bool {
        self.raw("isError").is_some_and(|raw| raw.get() == "true")
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, member: &str) {
        self.0.remove(member);
    }

    /// What sort of result it is, for the paper trail.
    pub(crate) fn kind(&self) -> &'static str {
        let kinds = [
            ("inputRequests", "input_required"),
            ("requestState", "input_required"),
            ("structuredContent", "structured"),
            ("content", "content"),
            ("messages", "messages"),
            ("contents", "contents"),
            ("completion", "completion"),
        ];
        let kind = kinds.into_iter().find(|(member, _)| self.0.contains_key(*member));
        if self.is_error() { "tool_error" } else { kind.map_or("other", |(_, kind)| kind) }
    }

    /// Its length, in bytes of JSON.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(member, value)| member.len() + value.get().len() + 4).sum()
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<Map<String, Value>> for Reply {
    fn from(members: Map<String, Value>) -> Self {
        members.iter().fold(Self::default(), |reply, (member, value)| reply.with(member, value))
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(members) => members.into(),
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_touched_stays_as_it_was_written() {
        let raw =
            r#"{"content":[{"type":"novel","n":1.10,"big":12345678901234567890123}],"later":{"b":1,"a":2}}"#;
        let mut reply = Reply::read(&RawValue::from_string(raw.to_owned()).unwrap()).unwrap();
        reply.note("portcullis/x", json!(1));
        assert_eq!(
            reply.text(),
            r#"{"_meta":{"portcullis/x":1},"content":[{"type":"novel","n":1.10,"big":12345678901234567890123}],"later":{"b":1,"a":2}}"#
        );
        assert!(Reply::read(&RawValue::from_string("[1]".to_owned()).unwrap()).is_none());
    }
}
