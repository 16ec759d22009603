//! Redaction: what must not be kept, told by the name of its key or because it is a secret that somebody stored.

use serde_json::Value;

/// Fragments of key names whose values are never kept.
const SECRET_WORDS: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "cookie",
    "apikey",
    "credential",
    "passphrase",
];
/// Whole words that tell the same, but are also part of harmless ones, such as `monkey`.
const WHOLE_WORDS: [&str; 3] = ["key", "keys", "pin"];
/// What is kept instead.
const REDACTED: &str = "[redacted]";
/// Longer texts are cut.
const TEXT_LIMIT: usize = 500;
/// Deeper values are dropped.
const DEPTH_LIMIT: usize = 12;
/// Further facts take no more in a row, in bytes of JSON; those of them that take more than the second do not stay.
const LARGEST: usize = 16 * 1024;
const LARGEST_MEMBER: usize = 8 * 1024;
/// What is kept instead.
const TOO_LARGE: &str = "[too large]";
/// Shorter secrets stand in too many harmless texts; only a value that is nothing else is taken for one.
const SHORTEST_FOUND: usize = 6;

/// Which key names tell of a secret, beside those that always do.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    words: Vec<String>,
}

impl Redaction {
    /// Also keys whose names contain one of these words, in whatever case.
    #[must_use]
    pub fn with_words(words: &[String]) -> Self {
        Self { words: words.iter().map(|word| word.to_lowercase().replace('-', "_")).collect() }
    }

    /// The value without secrets: what stands under a telling key becomes `[redacted]`, at whatever depth; long texts are
    /// cut, depth is bounded.
    #[must_use]
    pub fn apply(&self, value: &Value) -> Value {
        self.walk(value, 0)
    }

    fn walk(&self, value: &Value, depth: usize) -> Value {
        if depth > DEPTH_LIMIT {
            return Value::from("[too deep]");
        }
        match value {
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, value)| {
                        let kept = if self.is_secret(key) {
                            Value::from(REDACTED)
                        } else {
                            self.walk(value, depth + 1)
                        };
                        (key.clone(), kept)
                    })
                    .collect(),
            ),
            Value::Array(items) => items.iter().map(|item| self.walk(item, depth + 1)).collect(),
            Value::String(text) if text.len() > TEXT_LIMIT => {
                Value::from(format!("{}…", text.chars().take(TEXT_LIMIT).collect::<String>()))
            }
            other => other.clone(),
        }
    }

    /// Whether the name of a key tells of a secret.
    #[must_use]
    pub fn is_secret(&self, key: &str) -> bool {
        let lower = key.to_lowercase().replace('-', "_");
        let has = |word: &str| lower.contains(word);
        SECRET_WORDS.into_iter().any(has)
            || self.words.iter().any(|word| has(word))
            // Most names have none of them in them, and need not be taken apart.
            || WHOLE_WORDS.into_iter().any(has)
                && words_of(key).any(|word| WHOLE_WORDS.contains(&word.as_str()))
    }
}

/// The words of a name, in lower case: `apiKey`, `api_key` and `X-API-Key` have `api` and `key`.
fn words_of(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for c in name.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && after_small);
        if begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        after_small = c.is_lowercase() || c.is_numeric();
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// The text of a value, without what is too large in it.
pub(crate) fn bounded(mut value: Value) -> String {
    let text = value.to_string();
    if text.len() <= LARGEST {
        return text;
    }
    if let Value::Object(members) = &mut value {
        for member in members.values_mut().filter(|member| member.to_string().len() > LARGEST_MEMBER) {
            *member = Value::from(TOO_LARGE);
        }
        let text = value.to_string();
        if text.len() <= LARGEST {
            return text;
        }
    }
    Value::from(TOO_LARGE).to_string()
}

/// The value without these secrets: a text that is one, or has one in it, becomes `[redacted]`; so does a key.
pub(crate) fn without(value: Value, secrets: &[&str]) -> Value {
    if secrets.is_empty() {
        return value;
    }
    let holds = |text: &str| {
        secrets.iter().any(|secret| {
            !secret.is_empty()
                && (text == *secret || (secret.len() >= SHORTEST_FOUND && text.contains(secret)))
        })
    };
    match value {
        Value::String(text) if holds(&text) => Value::from(REDACTED),
        Value::Number(number) if holds(&number.to_string()) => Value::from(REDACTED),
        Value::Array(items) => items.into_iter().map(|item| without(item, secrets)).collect(),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| {
                    let key = if holds(&key) { REDACTED.to_owned() } else { key };
                    (key, without(value, secrets))
                })
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_under_a_telling_key_is_not_kept() {
        let given = json!({"path": "a.txt", "API-Key": "k", "monkey": "m", "nested": [{"userPassword": {"p": 1}, "sshKey": "s", "n": 1}]});
        assert_eq!(
            Redaction::default().apply(&given),
            json!({"path": "a.txt", "API-Key": "[redacted]", "monkey": "m",
                "nested": [{"userPassword": "[redacted]", "sshKey": "[redacted]", "n": 1}]})
        );
    }

    #[test]
    fn an_operator_adds_words() {
        let redaction = Redaction::with_words(&["IBAN".to_owned(), "date-of-birth".to_owned()]);
        assert_eq!(
            redaction.apply(&json!({"customerIban": "DE1", "date_of_birth": 1, "date": 2, "token": "t"})),
            json!({"customerIban": "[redacted]", "date_of_birth": "[redacted]", "date": 2, "token": "[redacted]"})
        );
    }

    #[test]
    fn a_stored_secret_is_not_kept_wherever_it_stands() {
        let given = json!({"note": "use hunter22 there", "list": ["hunter22", 1234], "hunter22": "x", "short": "not 12"});
        assert_eq!(
            without(given, &["hunter22", "1234", "12", ""]),
            json!({"note": "[redacted]", "list": ["[redacted]", "[redacted]"], "[redacted]": "x", "short": "not 12"})
        );
    }

    #[test]
    fn what_is_too_large_does_not_take_the_rest_with_it() {
        let many: Vec<usize> = (0..10_000).collect();
        assert_eq!(
            bounded(json!({"rule": "r", "arguments": many})),
            r#"{"rule":"r","arguments":"[too large]"}"#
        );
        assert_eq!(bounded(json!(many)), r#""[too large]""#);
        let wide: serde_json::Map<_, _> = (0..5_000).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(bounded(Value::Object(wide)), r#""[too large]""#);
    }

    #[test]
    fn long_texts_are_cut() {
        let kept = Redaction::default().apply(&json!("x".repeat(600)));
        assert!(kept.as_str().is_some_and(|text| text.chars().count() == TEXT_LIMIT + 1));
    }
}
