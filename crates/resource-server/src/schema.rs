//! The JSON Schemas of tools: 2020-12 unless they say otherwise. A stranger wrote them, so nothing is ever fetched for one,
//! and what could make checking slow is refused before it is compiled (TOOL-3, TOOL-6, TOOL-7, T35).

mod cost;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Larger schemas are refused, in bytes of JSON.
const LARGEST: usize = 128 * 1024;
/// Steps of a regular expression that needs to go back.
const BACKTRACKS: usize = 10_000;
/// Bytes that one regular expression may take once it is compiled.
const EXPRESSION: usize = 1024 * 1024;

/// Why a schema is not used; the texts are for the caller of the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    /// Not an object with `type: object`, or no schema at all.
    #[error("its schema is not a JSON Schema for an object")]
    Shape,
    /// Too large, or it would be applied too often.
    #[error("its schema is too large or too deep to be checked in good time")]
    Cost,
    /// Of a dialect that is not known here (TOOL-3).
    #[error("its schema names a dialect that is not known here")]
    Dialect,
    /// Wrong in itself, or it refers to something that is not in it.
    #[error("its schema cannot be understood, or refers to something outside of it")]
    Meaning,
}

/// Whether this could be the `inputSchema` of a tool (TOOL-3).
pub(crate) fn describes_an_object(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
}

/// Compiles the schema of arguments.
pub(crate) fn compile(schema: &Value) -> Result<Validator, SchemaError> {
    if !schema.is_object() && !schema.is_boolean() {
        return Err(SchemaError::Shape);
    }
    if schema.to_string().len() > LARGEST || !cost::is_bounded(schema) {
        return Err(SchemaError::Cost);
    }
    let draft = draft(schema).ok_or(SchemaError::Dialect)?;
    if has_parts_of_their_own(schema, true) {
        return Err(SchemaError::Meaning);
    }
    let options = || jsonschema::options().with_draft(draft);
    // In linear time where the expression allows it, else with an end to going back.
    let linear = options().with_pattern_options(PatternOptions::regex().size_limit(EXPRESSION)).build(schema);
    linear
        .or_else(|_| {
            let bounded = PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS).size_limit(EXPRESSION);
            options().with_pattern_options(bounded).build(schema)
        })
        .map_err(|_| SchemaError::Meaning)
}

/// The dialect that is declared; without a declaration it is 2020-12. One that nobody knows is not guessed at.
fn draft(schema: &Value) -> Option<jsonschema::Draft> {
    let Some(declared) = schema.get("$schema") else { return Some(jsonschema::Draft::Draft202012) };
    let named = declared.as_str()?.trim_end_matches('#');
    let (_, name) =
        named.split_once("://json-schema.org/").filter(|(scheme, _)| scheme.starts_with("http"))?;
    match name {
        "draft-04/schema" => Some(jsonschema::Draft::Draft4),
        "draft-06/schema" => Some(jsonschema::Draft::Draft6),
        "draft-07/schema" => Some(jsonschema::Draft::Draft7),
        "draft/2019-09/schema" => Some(jsonschema::Draft::Draft201909),
        "draft/2020-12/schema" | "schema" => Some(jsonschema::Draft::Draft202012),
        _ => None,
    }
}

/// Whether a part of the schema names itself, so that what it refers to is not where its pointers say.
fn has_parts_of_their_own(schema: &Value, at_root: bool) -> bool {
    match schema {
        Value::Object(members) => {
            let named = |key: &str| members.get(key).is_some_and(Value::is_string);
            (!at_root && (named("$id") || named("id") && named("$schema")))
                || members.values().any(|member| has_parts_of_their_own(member, false))
        }
        Value::Array(items) => items.iter().any(|item| has_parts_of_their_own(item, false)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> Option<SchemaError> {
        compile(schema).err()
    }

    /// TOOL-3, TOOL-6, T35
    #[test]
    fn nothing_outside_of_a_schema_is_looked_up() {
        for outside in ["http://169.254.169.254/latest", "file:///etc/passwd", "other.json", "#nowhere"] {
            let schema = json!({"type": "object", "properties": {"a": {"$ref": outside}}});
            assert!(refused(&schema).is_some(), "{outside}");
        }
        let inside = json!({"type": "object", "$defs": {"t": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/t"}}});
        assert!(compile(&inside).unwrap().is_valid(&json!({"a": "x"})));
        assert_eq!(refused(&json!(null)), Some(SchemaError::Shape));
        assert_eq!(refused(&json!({"type": "nonsense"})), Some(SchemaError::Meaning));
    }

    /// TOOL-7, T35: what multiplies is refused before it is compiled
    #[test]
    fn a_schema_that_would_take_forever_is_refused() {
        let mut steps = serde_json::Map::new();
        for step in 0..40 {
            let next = json!({"$ref": format!("#/$defs/s{}", step + 1)});
            steps.insert(format!("s{step}"), json!({"allOf": [next, next]}));
        }
        steps.insert("s40".to_owned(), json!({"type": "object"}));
        assert_eq!(refused(&json!({"$ref": "#/$defs/s0", "$defs": steps})), Some(SchemaError::Cost));
        let circle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
        assert_eq!(refused(&circle), Some(SchemaError::Cost));
        let tree =
            json!({"type": "object", "properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}});
        let deep = compile(&tree).unwrap();
        assert!(!deep.is_valid(&json!({"child": {"child": {"n": "x"}}})), "going down is no circle");
    }

    /// TOOL-3: 2020-12 unless another is declared, and none that is not known
    #[test]
    fn a_declared_dialect_is_honoured_and_an_unknown_one_is_not_guessed() {
        let tuple = |named: &str| {
            let items = json!([{"type": "string"}, {"type": "integer"}]);
            json!({"$schema": named, "type": "array", "items": items, "additionalItems": false})
        };
        let seven = compile(&tuple("http://json-schema.org/draft-07/schema#")).unwrap();
        assert!(seven.is_valid(&json!(["a", 1])) && !seven.is_valid(&json!([1, "a"])));
        assert!(!seven.is_valid(&json!(["a", 1, 2])));
        let today = json!({"type": "array", "prefixItems": [{"type": "string"}], "items": false});
        let today = compile(&today).unwrap();
        assert!(today.is_valid(&json!(["a"])) && !today.is_valid(&json!(["a", 1])));
        for unknown in
            ["https://json-schema.org/draft/2030-01/schema", "https://evil.example/schema", "draft-07", ""]
        {
            assert_eq!(
                refused(&json!({"$schema": unknown, "type": "object"})),
                Some(SchemaError::Dialect),
                "{unknown}"
            );
        }
        assert_eq!(refused(&json!({"$schema": 7, "type": "object"})), Some(SchemaError::Dialect));
    }

    /// T35: what would take much memory or time to compile is refused
    #[test]
    fn expressions_are_bounded_in_size_and_number() {
        let huge = json!({"type": "string", "pattern": "((a{1,200}){1,200}){1,200}"});
        assert_eq!(refused(&huge), Some(SchemaError::Meaning));
        let many: Vec<Value> =
            (0..=cost::EXPRESSIONS).map(|at| json!({"pattern": format!("^{at}$")})).collect();
        let many = json!({"type": "object", "properties": {"a": {"prefixItems": many}}});
        assert_eq!(refused(&many), Some(SchemaError::Cost));
    }

    /// T35: a catastrophic expression ends
    #[test]
    fn expressions_take_linear_time_or_give_up() {
        let long = "a".repeat(5_000) + "!";
        for pattern in ["^(a+)+$", "^(?=a)(a+)+$"] {
            let schema = compile(&json!({"type": "string", "pattern": pattern})).unwrap();
            assert!(!schema.is_valid(&json!(long)), "{pattern}");
        }
    }
}
