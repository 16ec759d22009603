//! The arguments of a call as policies see them: flat, bounded, named by JSON pointer (RFC 6901).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// More values are not seen by policies.
const MOST: usize = 256;
/// Longer texts are cut, in bytes. A string that was sanitised fits.
const LONGEST: usize = 40_000;
/// All names and values together take no more, in bytes.
const ALL: usize = 256 * 1024;

/// The arguments of a call: a text for each value, by JSON pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arguments {
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) overflow: bool,
}

impl Arguments {
    /// The arguments as policies see them.
    #[must_use]
    pub fn of(arguments: &Map<String, Value>) -> Self {
        let mut seen = Flat::default();
        for (name, value) in arguments {
            seen.add(&pointer("", name), value);
        }
        seen.arguments
    }

    /// Each value with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(at, text)| (at.as_str(), text.as_str()))
    }

    /// The same without the values that `keep` says no to, told by name and text; and the names of those.
    #[must_use]
    pub fn only(&self, mut keep: impl FnMut(&str, &str) -> bool) -> (Self, Vec<String>) {
        let (kept, gone): (Vec<_>, Vec<_>) = self.tags.iter().cloned().partition(|(at, text)| keep(at, text));
        let gone = gone.into_iter().map(|(at, _)| at).collect();
        (Self { tags: kept, overflow: self.overflow }, gone)
    }

    /// Whether there was more than policies see.
    #[must_use]
    pub fn overflow(&self) -> bool {
        self.overflow
    }
}

#[derive(Default)]
struct Flat {
    arguments: Arguments,
    size: usize,
}

impl Flat {
    fn add(&mut self, at: &str, value: &Value) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                members.iter().for_each(|(name, value)| self.add(&pointer(at, name), value));
            }
            Value::Array(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                items.for_each(|(place, value)| self.add(&format!("{at}/{place}"), value));
            }
            Value::String(text) => self.keep(at, text),
            plain => self.keep(at, &plain.to_string()),
        }
    }

    fn keep(&mut self, at: &str, text: &str) {
        let cut = text.floor_char_boundary(LONGEST);
        let size = self.size + at.len() + cut;
        if cut < text.len() || size > ALL || self.arguments.tags.len() >= MOST {
            self.arguments.overflow = true;
        }
        if size <= ALL && self.arguments.tags.len() < MOST {
            self.size = size;
            self.arguments.tags.push((at.to_owned(), text[..cut].to_owned()));
        }
    }
}

/// RFC 6901 §3: `~` and `/` in a name are written `~0` and `~1`.
fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(arguments: &Value) -> Arguments {
        Arguments::of(arguments.as_object().unwrap())
    }

    #[test]
    fn each_value_has_a_name_and_a_text() {
        let seen =
            of(&json!({"to": ["a@x", "b@x"], "a/b~": {"deep": 1.5}, "yes": true, "none": null, "no": []}));
        let mut tags: Vec<_> = seen.tags.iter().map(|(at, text)| format!("{at}={text}")).collect();
        tags.sort();
        assert_eq!(tags, ["/a~1b~0/deep=1.5", "/no=[]", "/none=null", "/to/0=a@x", "/to/1=b@x", "/yes=true"]);
        assert!(!seen.overflow());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let many: Vec<usize> = (0..300).collect();
        let seen = of(&json!({"many": many}));
        assert_eq!((seen.tags.len(), seen.overflow()), (MOST, true));
        let seen = of(&json!({"long": "é".repeat(LONGEST)}));
        assert_eq!((seen.tags[0].1.len(), seen.overflow()), (LONGEST, true));
        let heavy: Vec<String> = vec!["x".repeat(LONGEST); 10];
        let seen = of(&json!({"heavy": heavy}));
        assert_eq!((seen.tags.len(), seen.overflow()), (6, true));
        assert!(!of(&json!({"text": "x".repeat(10_000)})).overflow());
    }
}
