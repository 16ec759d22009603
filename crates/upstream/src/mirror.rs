//! Which parameters of a tool are mirrored into headers (2026-07-28, "Custom Headers from Tool Parameters"): what a schema
//! declares, whether it may, and the values of one call. What was learnt from lists is remembered elsewhere.

use std::collections::HashSet;

use http::header::HeaderName;
use serde_json::Value;

/// What a parameter is marked with.
pub(crate) const MARK: &str = "x-mcp-header";
/// The greatest integer that JavaScript keeps apart from its neighbours.
const SAFE: u64 = 9_007_199_254_740_991;
/// Deeper schemas declare nothing.
const DEPTH: usize = 32;

/// One parameter of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The name behind `Mcp-Param-`.
    pub name: String,
    /// The keys that lead to it from the arguments.
    pub path: Vec<String>,
}

/// Why a tool must not be offered: something in its schema is marked that cannot be mirrored (HTTP26-13).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tool's schema marks a parameter for a header in a way that is not allowed: {0}")]
pub struct Unmirrorable(&'static str);

/// What `input_schema` declares.
///
/// # Errors
/// When a mark stands where none may, or its name is none, or said twice. The tool is then left out of every list.
pub fn declared(input_schema: &Value) -> Result<Vec<Mirrored>, Unmirrorable> {
    let mut found = Vec::new();
    properties(input_schema, &mut Vec::new(), &mut found)?;
    if marks(input_schema, 0) != found.len() {
        return Err(Unmirrorable("it is not reached by properties alone"));
    }
    let mut names = HashSet::new();
    if !found.iter().all(|mirrored| names.insert(mirrored.name.to_ascii_lowercase())) {
        return Err(Unmirrorable("two have the same name"));
    }
    Ok(found)
}

/// The names and values of one call. What is absent or null has no header.
pub fn values(declared: &[Mirrored], arguments: &Value) -> Vec<(String, String)> {
    let value = |mirrored: &Mirrored| {
        let found = mirrored.path.iter().try_fold(arguments, |value, key| value.get(key))?;
        match found {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(found.to_string()),
            _ => None,
        }
    };
    declared.iter().filter_map(|mirrored| Some((mirrored.name.clone(), value(mirrored)?))).collect()
}

/// Goes down the properties, and the properties of those that are objects.
fn properties(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Mirrored>) -> Result<(), Unmirrorable> {
    let Some(properties_here) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    if path.len() == DEPTH {
        return Ok(());
    }
    for (key, property) in properties_here {
        path.push(key.clone());
        if let Some(mark) = property.get(MARK) {
            found.push(Mirrored { name: name(mark)?, path: path.clone() });
            primitive(property)?;
        }
        properties(property, path, found)?;
        path.pop();
    }
    Ok(())
}

fn name(mark: &Value) -> Result<String, Unmirrorable> {
    let text = mark.as_str().unwrap_or_default();
    // A field name of HTTP is just the token that is wanted, and never empty.
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| Unmirrorable("its name is not that of a header"))?;
    Ok(text.to_owned())
}

/// A text, a truth or an integer that survives as one.
fn primitive(property: &Value) -> Result<(), Unmirrorable> {
    let is_safe = |bound: &Value| bound.as_i64().is_none_or(|bound| bound.unsigned_abs() <= SAFE);
    match property.get("type").and_then(Value::as_str) {
        Some("string" | "boolean") => Ok(()),
        Some("integer") if ["minimum", "maximum"].iter().all(|key| property.get(key).is_none_or(is_safe)) => {
            Ok(())
        }
        Some("integer") => Err(Unmirrorable("its integers are too large")),
        _ => Err(Unmirrorable("it is neither text, integer nor truth")),
    }
}

/// How many marks there are anywhere, those in examples and the like left out that are no schemas.
fn marks(schema: &Value, depth: usize) -> usize {
    if depth > 2 * DEPTH {
        return 0;
    }
    match schema {
        Value::Object(members) => {
            let own = usize::from(members.get(MARK).is_some());
            let below = members
                .iter()
                .filter(|(key, _)| !matches!(key.as_str(), "const" | "enum" | "default" | "examples"))
                .filter(|(key, _)| *key != MARK);
            own + below.map(|(key, value)| nested(key, value, depth)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|item| marks(item, depth + 1)).sum(),
        _ => 0,
    }
}

/// Below `properties` and `$defs` the keys are names, and none of them is a mark.
fn nested(key: &str, value: &Value, depth: usize) -> usize {
    match value {
        Value::Object(named)
            if matches!(key, "properties" | "patternProperties" | "$defs" | "definitions") =>
        {
            named.values().map(|schema| marks(schema, depth + 2)).sum()
        }
        value => marks(value, depth + 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(properties: &Value) -> Result<usize, &'static str> {
        let schema = json!({"type": "object", "properties": properties});
        declared(&schema).map(|found| found.len()).map_err(|error| error.0)
    }

    /// HTTP26-13
    #[test]
    fn a_mark_stands_on_a_primitive_that_properties_lead_to() {
        let text = |name: &str| json!({"type": "string", MARK: name});
        assert_eq!(
            verdict(&json!({"a": text("A"), "b": {"type": "object", "properties": {"c": text("C")}}})),
            Ok(2)
        );
        assert_eq!(
            verdict(&json!({"a": {"type": "integer", MARK: "A"}, "b": {"type": "boolean", MARK: "B"}})),
            Ok(2)
        );
        assert_eq!(verdict(&json!({MARK: {"type": "string"}})), Ok(0), "a parameter may have that name");
        assert_eq!(verdict(&json!({"a": {"type": "string", "default": {MARK: "x"}}})), Ok(0));
        for (properties, why) in [
            (json!({"a": text("")}), "its name is not that of a header"),
            (json!({"a": text("a b")}), "its name is not that of a header"),
            (json!({"a": text("a\r\nb")}), "its name is not that of a header"),
            (json!({"a": {"type": "string", MARK: 1}}), "its name is not that of a header"),
            (json!({"a": text("X"), "b": text("x")}), "two have the same name"),
            (json!({"a": {"type": "number", MARK: "A"}}), "it is neither text, integer nor truth"),
            (json!({"a": {"type": "object", MARK: "A"}}), "it is neither text, integer nor truth"),
            (
                json!({"a": {"type": "integer", "maximum": 9_007_199_254_740_992_u64, MARK: "A"}}),
                "its integers are too large",
            ),
            (json!({"a": {"type": "array", "items": text("A")}}), "it is not reached by properties alone"),
            (json!({"a": {"anyOf": [text("A")]}}), "it is not reached by properties alone"),
            (json!({"a": {"$defs": {"b": text("A")}}}), "it is not reached by properties alone"),
            (json!({"a": {"if": {"properties": {"b": text("A")}}}}), "it is not reached by properties alone"),
        ] {
            assert_eq!(verdict(&properties), Err(why), "{properties}");
        }
    }

    /// HTTP26-10
    #[test]
    fn what_is_absent_has_no_header() {
        let schema = json!({"properties": {
            "region": {"type": "string", MARK: "Region"},
            "page": {"type": "object", "properties": {"size": {"type": "integer", MARK: "Size"}}},
            "dry": {"type": "boolean", MARK: "Dry"},
        }});
        let declared = declared(&schema).unwrap();
        let mut given = values(&declared, &json!({"region": "r", "page": {"size": -7}, "dry": true}));
        given.sort();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(given, [pair("Dry", "true"), pair("Region", "r"), pair("Size", "-7")]);
        assert_eq!(values(&declared, &json!({"region": null, "page": 1})), []);
    }
}
