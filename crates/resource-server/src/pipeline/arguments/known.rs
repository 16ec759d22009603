//! Which properties a schema knows at a place: those that it, or a schema that it applies to the same place, names or admits
//! in so many words. Where it says nothing of properties, or refers to something that cannot be followed, it knows all.
//! Decides nothing about validity.

use std::collections::HashSet;

use regex::RegexBuilder;
use serde_json::{Map, Value};

/// Schemas that one place may be held against; more are not looked through.
const MOST: usize = 500;
/// Bytes that one regular expression may take, compiled.
const PATTERN: usize = 256 * 1024;

/// Every schema that one place of the arguments is held against.
pub(super) struct Schemas<'s> {
    root: &'s Value,
    /// Nothing where they cannot be known.
    all: Option<Vec<&'s Map<String, Value>>>,
}

/// Whether a property is known, and what its value is held against.
pub(super) enum Verdict<'s> {
    /// It is.
    Known(Schemas<'s>),
    /// It is not.
    Unknown,
}

impl<'s> Schemas<'s> {
    /// Those of the arguments as a whole.
    pub(super) fn of(root: &'s Value) -> Self {
        Self::through(root, vec![root])
    }

    /// Those of an item of a list.
    pub(super) fn of_item(&self, at: usize) -> Self {
        let mut inner = vec![];
        for schema in self.all.iter().flatten() {
            let tuple = ["prefixItems", "items"].into_iter().find_map(|key| schema.get(key)?.as_array());
            match tuple.and_then(|tuple| tuple.get(at)) {
                Some(own) => inner.push(own),
                None => inner.extend(["items", "additionalItems"].iter().filter_map(|key| schema.get(*key))),
            }
            inner.extend(["contains", "unevaluatedItems"].iter().filter_map(|key| schema.get(*key)));
        }
        self.inner(inner)
    }

    /// Those of a property, if it is known.
    pub(super) fn of_member(&self, name: &str) -> Verdict<'s> {
        let (mut inner, mut known, mut speaks) = (vec![], self.all.is_none(), false);
        for schema in self.all.iter().flatten() {
            let before = inner.len();
            let named = schema.get("properties").and_then(Value::as_object);
            inner.extend(named.and_then(|named| named.get(name)));
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let patterns_that_fit = patterns.into_iter().flatten().filter(|(pattern, _)| fits(pattern, name));
            inner.extend(patterns_that_fit.map(|(_, schema)| schema));
            let is_named = inner.len() > before;
            speaks |= named.is_some() || patterns.is_some();
            for key in ["additionalProperties", "unevaluatedProperties"] {
                match schema.get(key) {
                    Some(Value::Bool(false)) => speaks = true,
                    // Whatever it is, it is admitted.
                    Some(other) if !is_named => {
                        known = true;
                        inner.push(other);
                    }
                    _ => {}
                }
            }
            known |= is_named;
        }
        if known || !speaks { Verdict::Known(self.inner(inner)) } else { Verdict::Unknown }
    }

    fn inner(&self, schemas: Vec<&'s Value>) -> Self {
        if self.all.is_none() {
            return Self { root: self.root, all: None };
        }
        Self::through(self.root, schemas)
    }

    /// These and all that they apply to the same place.
    fn through(root: &'s Value, mut waiting: Vec<&'s Value>) -> Self {
        let mut seen = HashSet::new();
        let mut all = vec![];
        while let Some(schema) = waiting.pop() {
            let Value::Object(members) = schema else { continue };
            if !seen.insert(std::ptr::from_ref(members)) {
                continue;
            }
            if all.len() >= MOST
                || members.contains_key("$dynamicRef")
                || members.contains_key("$recursiveRef")
            {
                return Self { root, all: None };
            }
            if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                let pointer =
                    target.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
                let Some(target) = pointer.and_then(|pointer| root.pointer(pointer)) else {
                    return Self { root, all: None };
                };
                waiting.push(target);
            }
            for key in ["allOf", "anyOf", "oneOf"] {
                waiting.extend(members.get(key).and_then(Value::as_array).into_iter().flatten());
            }
            waiting.extend(["if", "then", "else"].iter().filter_map(|key| members.get(*key)));
            for key in ["dependentSchemas", "dependencies"] {
                waiting.extend(members.get(key).and_then(Value::as_object).into_iter().flat_map(Map::values));
            }
            all.push(members);
        }
        Self { root, all: Some(all) }
    }
}

/// Whether a pattern means this name; one that cannot be understood in linear time means every name, and is left to
/// the validation.
fn fits(pattern: &str, name: &str) -> bool {
    let compiled = RegexBuilder::new(pattern).size_limit(PATTERN).build();
    compiled.map_or(true, |pattern| pattern.is_match(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn knows(schema: &Value, name: &str) -> bool {
        matches!(Schemas::of(schema).of_member(name), Verdict::Known(_))
    }

    #[test]
    fn a_property_is_known_wherever_the_schema_speaks_of_it() {
        let named = json!({"properties": {"a": {}}});
        for schema in [
            named.clone(),
            json!({"allOf": [{"anyOf": [named.clone(), {"type": "object"}]}]}),
            json!({"if": {}, "then": named.clone()}),
            json!({"$ref": "#/$defs/x", "$defs": {"x": named.clone()}}),
            json!({"patternProperties": {"^a$": {}}}),
            json!({"dependentSchemas": {"b": named.clone()}}),
        ] {
            assert!(knows(&schema, "a") && !knows(&schema, "z"), "{schema}");
        }
        assert!(!knows(&json!({"additionalProperties": false}), "a"));
    }

    #[test]
    fn what_a_schema_admits_or_does_not_speak_of_is_known() {
        for schema in [
            json!({"type": "object"}),
            json!({"properties": {"b": {}}, "additionalProperties": {"type": "string"}}),
            json!({"properties": {"b": {}}, "additionalProperties": true}),
            json!({"properties": {"b": {}}, "unevaluatedProperties": true}),
            json!({"properties": {"b": {}}, "$ref": "#anchor"}),
            json!({"patternProperties": {"^(?=x)": {}}}),
        ] {
            assert!(knows(&schema, "a"), "{schema}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let tree = json!({"properties": {"child": {"$ref": "#"}, "n": {}}, "allOf": [{"$ref": "#"}]});
        let Verdict::Known(child) = Schemas::of(&tree).of_member("child") else { panic!("it is known") };
        assert!(matches!(child.of_member("n"), Verdict::Known(_)));
        assert!(matches!(child.of_member("z"), Verdict::Unknown));
        let list = json!({"prefixItems": [{"properties": {"a": {}}}], "items": {"properties": {"b": {}}}});
        let inner = |at| matches!(Schemas::of(&list).of_item(at).of_member("a"), Verdict::Known(_));
        assert!(inner(0) && !inner(1));
    }
}
