//! The definition of a tool, in one form: everything that its server says of it, members sorted by name, so that the order
//! in which a server writes them changes nothing and every word that it adds or alters does (T27).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Longer definitions are told apart by their hash and not kept, in bytes.
const LONGEST: usize = 64 * 1024;

/// A definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// SHA-256 of the whole, in base64url.
    pub(crate) hash: String,
    /// The whole; nothing where it is too long to be kept.
    pub(crate) text: Option<String>,
}

impl Definition {
    /// The definition that a list holds. Names, descriptions, schemas and annotations, and also what this release does not
    /// know: a client may.
    pub(crate) fn of(described: &Map<String, Value>) -> Self {
        let mut value = Value::Object(described.clone());
        value.sort_all_objects();
        let text = value.to_string();
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        Self { hash, text: Some(text).filter(|text| text.len() <= LONGEST) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Definition {
        Definition::of(value.as_object().unwrap())
    }

    /// T27: a description, a schema, an annotation, `_meta`
    #[test]
    fn every_word_counts_and_no_order_does() {
        let tool = |about: &str, more: Value| json!({"name": "a", "description": about, "inputSchema": {"type": "object", "x": 1}, "more": more});
        let one = of(&tool("reads", json!({"a": 1, "b": 2})));
        let turned = json!({"more": {"b": 2, "a": 1}, "inputSchema": {"x": 1, "type": "object"}, "description": "reads", "name": "a"});
        assert_eq!(of(&turned), one);
        assert_ne!(of(&tool("reads.", json!({"a": 1, "b": 2}))).hash, one.hash);
        assert_ne!(of(&tool("reads", json!({"a": 1, "b": 3}))).hash, one.hash);
        assert_ne!(of(&tool("reads", json!(["a", "b"]))).hash, of(&tool("reads", json!(["b", "a"]))).hash);
    }

    #[test]
    fn what_is_too_long_is_told_apart_and_not_kept() {
        let long = |last: &str| of(&json!({"name": "a", "description": "x".repeat(LONGEST) + last}));
        assert_eq!(long("a").text, None);
        assert_ne!(long("a").hash, long("b").hash);
    }
}
