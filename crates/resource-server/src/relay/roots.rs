//! Which folders a client works in, asked by an upstream that an admin lets ask so. There is nothing to judge in the question;
//! the answer is a list of folders and nothing else.

use serde_json::{Map, Value};
use url::Url;

use super::{Origin, note, size};

/// More folders are no place that anybody works in, and neither is a longer list of them, in bytes of JSON.
const ROOTS: usize = 256;
const LARGEST: usize = 64 * 1024;

/// The question, written anew: it has no parameters but a note of who asks.
pub(super) fn question(origin: &Origin) -> Value {
    let mut params = Map::new();
    note(&mut params, origin);
    Value::Object(params)
}

/// Whether this is such a list: folders are named by `file://` (2025-11-25, "Roots").
pub(super) fn is_answer(answer: &Value) -> bool {
    let is_root = |root: &Value| {
        let uri = root.get("uri").and_then(Value::as_str).unwrap_or_default();
        uri.starts_with("file://") && Url::parse(uri).is_ok() && root.get("name").is_none_or(Value::is_string)
    };
    let roots = answer.get("roots").and_then(Value::as_array);
    roots.is_some_and(|roots| roots.len() <= ROOTS && roots.iter().all(is_root)) && size(answer) <= LARGEST
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// T33: what goes to a server as folders is folders
    #[test]
    fn folders_are_named_by_file() {
        let root = |uri: &str| json!({"roots": [{"uri": uri, "name": "Here"}]});
        assert!(is_answer(&root("file:///home/ada/work")) && is_answer(&json!({"roots": []})));
        for uri in ["https://example.com/", "/home/ada", "file:", "FILE:///x", ""] {
            assert!(!is_answer(&root(uri)), "{uri}");
        }
        for other in
            [json!({}), json!({"roots": {}}), json!({"roots": [{"uri": "file:///x", "name": 1}]}), json!([])]
        {
            assert!(!is_answer(&other), "{other}");
        }
        let many = vec![json!({"uri": "file:///x"}); ROOTS + 1];
        assert!(!is_answer(&json!({"roots": many})));
        assert!(!is_answer(&root(&format!("file:///{}", "x".repeat(LARGEST)))));
    }
}
