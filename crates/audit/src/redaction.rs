//! Redaction: what must not be kept, told by the name of its key.

use serde_json::Value;

/// Fragments of key names whose values are never kept.
const SECRET_WORDS: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "cookie",
    "api_key",
    "apikey",
    "credential",
    "private_key",
];
/// Longer texts are cut.
const TEXT_LIMIT: usize = 500;
/// Deeper values are dropped.
const DEPTH_LIMIT: usize = 12;

/// The value without secrets: what stands under a telling key becomes `[redacted]`, long texts are cut, depth is bounded.
#[must_use]
pub fn redact(value: &Value) -> Value {
    walk(value, 0)
}

fn walk(value: &Value, depth: usize) -> Value {
    if depth > DEPTH_LIMIT {
        return Value::from("[too deep]");
    }
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| {
                    let kept =
                        if is_secret(key) { Value::from("[redacted]") } else { walk(value, depth + 1) };
                    (key.clone(), kept)
                })
                .collect(),
        ),
        Value::Array(items) => items.iter().map(|item| walk(item, depth + 1)).collect(),
        Value::String(text) if text.len() > TEXT_LIMIT => {
            Value::from(format!("{}…", text.chars().take(TEXT_LIMIT).collect::<String>()))
        }
        other => other.clone(),
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_under_a_telling_key_is_not_kept() {
        let given = json!({"path": "a.txt", "API-Key": "k", "nested": [{"userPassword": "p", "n": 1}]});
        assert_eq!(
            redact(&given),
            json!({"path": "a.txt", "API-Key": "[redacted]", "nested": [{"userPassword": "[redacted]", "n": 1}]})
        );
    }

    #[test]
    fn long_texts_are_cut() {
        assert!(
            redact(&json!("x".repeat(600)))
                .as_str()
                .is_some_and(|text| text.chars().count() == TEXT_LIMIT + 1)
        );
    }
}
