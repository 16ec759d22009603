//! How two definitions of a tool differ, in words. Texts are a stranger's: what is hidden in them is spelt out, and what is
//! long is cut around what changed.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::hidden::made_visible;

/// So many differences are told.
const TOLD: usize = 60;
/// So much of a text is shown, in characters.
const SHOWN: usize = 600;
/// So much is shown before what changed.
const BEFORE: usize = 40;
/// Deeper values are compared as a whole.
const DEPTH: usize = 24;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where, in words.
    pub place: String,
    /// What stood there; nothing when it is new.
    pub was: Option<String>,
    /// What stands there; nothing when it is gone.
    pub now: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.was, &self.now) {
            (Some(was), Some(now)) => write!(f, "{} was {was} and is now {now}", self.place),
            (None, Some(now)) => write!(f, "{} is new: {now}", self.place),
            (Some(was), None) => write!(f, "{} is gone; it was {was}", self.place),
            (None, None) => write!(f, "{}", self.place),
        }
    }
}

/// How a definition differs from the one before; without one everything in it is new.
pub(super) fn between(was: Option<&Value>, now: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    compare((was, Some(now)), &mut path, &mut found);
    if found.len() > TOLD {
        let more = found.len() - TOLD;
        found.truncate(TOLD);
        found.push(Difference { place: format!("and {more} more differences"), was: None, now: None });
    }
    found
}

/// What is left of a definition without its name, to know a tool by that was given another one.
pub(super) fn without_name(definition: &Value) -> Value {
    let mut rest = definition.clone();
    if let Some(members) = rest.as_object_mut() {
        members.shift_remove("name");
    }
    rest
}

fn compare<'v>(
    (was, now): (Option<&'v Value>, Option<&'v Value>),
    path: &mut Vec<&'v str>,
    found: &mut Vec<Difference>,
) {
    if was == now {
        return;
    }
    let members = |side: Option<&'v Value>| side.and_then(Value::as_object).filter(|all| !all.is_empty());
    let (before, after) = (members(was), members(now));
    let apart =
        before.or(after).is_some() && before.is_some() == was.is_some() && after.is_some() == now.is_some();
    if apart && path.len() < DEPTH {
        let get = |side: Option<&'v Map<String, Value>>, name: &str| side.and_then(|all| all.get(name));
        let names = [before, after].into_iter().flatten().flat_map(Map::keys).map(String::as_str);
        for name in names.collect::<BTreeSet<_>>() {
            path.push(name);
            compare((get(before, name), get(after, name)), path, found);
            path.pop();
        }
        return;
    }
    let (was, now) = (was.map(written), now.map(written));
    let same = match (&was, &now) {
        (Some(was), Some(now)) => was.chars().zip(now.chars()).take_while(|(one, two)| one == two).count(),
        _ => 0,
    };
    let shown = |text: String| excerpt(&text, same);
    found.push(Difference { place: place(path), was: was.map(shown), now: now.map(shown) });
}

/// A value as it is shown: texts in quotation marks, whatever else as JSON.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => format!("“{text}”"),
        other => other.to_string(),
    }
}

/// The part of a text that begins shortly before what changed.
fn excerpt(text: &str, same: usize) -> String {
    let start = if text.chars().count() > SHOWN { same.saturating_sub(BEFORE) } else { 0 };
    let rest = text.chars().skip(start);
    let mut shown = made_visible(&rest.clone().take(SHOWN).collect::<String>());
    if rest.count() > SHOWN {
        shown.push('…');
    }
    if start > 0 { format!("…{shown}") } else { shown }
}

/// A place in words.
fn place(path: &[&str]) -> String {
    let joined = |rest: &[&str]| rest.iter().map(|name| made_visible(name)).collect::<Vec<_>>().join(" / ");
    match path {
        [] => "the definition".to_owned(),
        ["inputSchema", "properties", name] => format!("the parameter {}", made_visible(name)),
        ["inputSchema", "properties", name, rest @ ..] => {
            format!("the parameter {}: {}", made_visible(name), joined(rest))
        }
        ["inputSchema", rest @ ..] if !rest.is_empty() => format!("the parameters: {}", joined(rest)),
        ["outputSchema", rest @ ..] if !rest.is_empty() => format!("the result: {}", joined(rest)),
        ["annotations", hint] => format!("the hint {}", made_visible(hint)),
        path => format!("the {}", joined(path)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(was: Option<&Value>, now: &Value) -> Vec<String> {
        between(was, now).iter().map(ToString::to_string).collect()
    }

    /// T27
    #[test]
    fn a_change_is_told_in_words() {
        let was = json!({
            "name": "a", "description": "Reads.", "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        });
        let mut now = was.clone();
        now["description"] = json!("Reads and sends.");
        now["annotations"]["readOnlyHint"] = json!(false);
        now["inputSchema"]["properties"] = json!({"path": {"type": "string"}, "to": {"type": "string"}});
        now["inputSchema"].as_object_mut().unwrap().shift_remove("required");
        assert_eq!(
            told(Some(&was), &now),
            [
                "the hint readOnlyHint was true and is now false",
                "the description was “Reads.” and is now “Reads and sends.”",
                "the parameter to: type is new: “string”",
                "the parameters: required is gone; it was [\"path\"]",
            ]
        );
        assert_eq!(told(Some(&was), &was), Vec::<String>::new());
    }

    /// T26: nothing is shown as it hides
    #[test]
    fn what_is_new_is_shown_whole_and_visible() {
        let now = json!({"name": "a", "description": "x\u{202e}y"});
        assert_eq!(told(None, &now), ["the description is new: “x[U+202E]y”", "the name is new: “a”"]);
    }

    #[test]
    fn a_long_text_is_shown_around_what_changed_and_many_changes_are_counted() {
        let long =
            |middle: &str| json!({"description": format!("{}{middle}{}", "a".repeat(900), "b".repeat(900))});
        let told_of = told(Some(&long("one")), &long("two"));
        assert!(
            told_of[0].contains("aone") && told_of[0].contains("atwo") && told_of[0].len() < 1_500,
            "{told_of:?}"
        );
        let many: Map<String, Value> = (0..90).map(|at| (format!("m{at}"), json!(at))).collect();
        let told_of = told(None, &Value::Object(many));
        assert_eq!((told_of.len(), told_of[60].as_str()), (61, "and 30 more differences"));
    }
}
