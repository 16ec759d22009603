//! What is mended in arguments before they are validated: control characters go, strings end somewhere, and what the schema
//! does not know is left out (DESIGN: a tool is called, step 11). Each change is told; the values are not.

use serde_json::Value;

use super::known::{Schemas, Verdict};
use crate::pins::made_visible;

/// Longer strings are cut, in characters.
const LONGEST: usize = 10_000;
/// So many changes are told one by one.
const TOLD: usize = 20;
/// Longer places are cut, in characters.
const PLACE: usize = 120;

/// Mends arguments; what was changed, in words.
pub(super) fn mend(arguments: &mut Value, schema: &Value) -> Vec<String> {
    let mut changes = Changes::default();
    walk(arguments, &Schemas::of(schema), &mut String::new(), &mut changes);
    changes.in_words()
}

#[derive(Default)]
struct Changes {
    told: Vec<String>,
    more: usize,
}

impl Changes {
    fn note(&mut self, place: &str, what: &str) {
        if self.told.len() < TOLD {
            let place: String = made_visible(place).chars().take(PLACE).collect();
            self.told.push(format!("{place}: {what}"));
        } else {
            self.more += 1;
        }
    }

    fn in_words(self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.told.into_iter().chain(more).collect()
    }
}

fn walk(value: &mut Value, schemas: &Schemas<'_>, place: &mut String, changes: &mut Changes) {
    match value {
        Value::String(text) => mend_text(text, place, changes),
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                within(place, &at.to_string(), |place| walk(item, &schemas.of_item(at), place, changes));
            }
        }
        Value::Object(members) => {
            let mut kept = serde_json::Map::with_capacity(members.len());
            for (name, mut member) in std::mem::take(members) {
                within(place, &name.replace('~', "~0").replace('/', "~1"), |place| {
                    if name.chars().any(is_control) {
                        changes.note(place, "a name with control characters, left out");
                        return;
                    }
                    match schemas.of_member(&name) {
                        Verdict::Unknown => changes.note(place, "not in the tool's schema, left out"),
                        Verdict::Known(inner) => {
                            walk(&mut member, &inner, place, changes);
                            kept.insert(name, member);
                        }
                    }
                });
            }
            *members = kept;
        }
        _ => {}
    }
}

fn within(place: &mut String, step: &str, work: impl FnOnce(&mut String)) {
    let length = place.len();
    place.push('/');
    place.push_str(step);
    work(place);
    place.truncate(length);
}

fn mend_text(text: &mut String, place: &str, changes: &mut Changes) {
    if text.chars().any(is_control) {
        text.retain(|letter| !is_control(letter));
        changes.note(place, "control characters removed");
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        changes.note(place, "cut at 10000 characters");
    }
}

/// Line feeds, carriage returns and tabs are writing.
fn is_control(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mended(mut arguments: Value, schema: &Value) -> (Value, Vec<String>) {
        let changes = mend(&mut arguments, schema);
        (arguments, changes)
    }

    #[test]
    fn what_is_mended_is_told_by_its_place_and_never_by_its_value() {
        let schema = json!({"type": "object", "properties": {
            "text": {"type": "string"}, "list": {"items": {"properties": {"a": {}}}},
        }});
        let secret = "s3cret\u{1b}[2J";
        let arguments = json!({
            "text": format!("{secret}{}", "x".repeat(LONGEST)), "more": secret, "list": [{"a": "one\r\n\ttwo", "b": secret}],
        });
        let (arguments, changes) = mended(arguments, &schema);
        assert_eq!(
            changes,
            [
                "/text: control characters removed",
                "/text: cut at 10000 characters",
                "/more: not in the tool's schema, left out",
                "/list/0/b: not in the tool's schema, left out",
            ]
        );
        assert!(arguments["text"].as_str().unwrap().starts_with("s3cret[2Jxxx"));
        assert_eq!(arguments["list"], json!([{"a": "one\r\n\ttwo"}]));
        assert_eq!(arguments.as_object().unwrap().len(), 2);
    }

    #[test]
    fn what_is_as_it_should_be_stays() {
        let free = json!({"type": "object"});
        let arguments = json!({"any": {"deep": [1, 2.5, null, "ä\n"]}, "other": "x".repeat(LONGEST)});
        assert_eq!(mended(arguments.clone(), &free), (arguments, vec![]));
    }

    #[test]
    fn many_changes_are_counted_and_long_places_cut() {
        let schema = json!({"type": "object", "properties": {}});
        let members = (0..50).map(|at| (format!("{at}{}", "n".repeat(1_000)), json!(1)));
        let (arguments, changes) = mended(Value::Object(members.collect()), &schema);
        assert_eq!(arguments, json!({}));
        assert_eq!((changes.len(), changes[TOLD].as_str()), (TOLD + 1, "and 30 more"));
        assert!(changes.iter().all(|change| change.len() < 200));
    }
}
