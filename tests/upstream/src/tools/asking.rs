//! Tools that ask their caller something, in the eras in which servers ask.

use serde_json::{Value, json};

use super::{plain, text, tool};
use crate::talk::Talk;

pub(super) fn list() -> Vec<Value> {
    let one =
        |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    vec![
        tool("test_sampling", &one("prompt")),
        tool("test_elicitation", &one("message")),
        plain("test_elicitation_sep1034_defaults"),
        plain("test_elicitation_sep1330_enums"),
        plain("test_roots"),
    ]
}

pub(super) async fn call(talk: &Talk, name: &str, arguments: &Value) -> Option<Value> {
    if talk.is_stateless() {
        return None;
    }
    Some(match name {
        "test_sampling" => {
            let content = json!({"type": "text", "text": arguments["prompt"]});
            let params = json!({"messages": [{"role": "user", "content": content}], "maxTokens": 100});
            match talk.ask("sampling/createMessage", params).await {
                Ok(result) => {
                    text(format!("LLM response: {}", result["content"]["text"].as_str().unwrap_or("none")))
                }
                Err(message) => failed(&message),
            }
        }
        "test_elicitation" => {
            let string = |description: &str| json!({"type": "string", "description": description});
            let schema = json!({
                "type": "object",
                "properties": {"username": string("User's response"), "email": string("User's email address")},
                "required": ["username", "email"],
            });
            elicited(talk, &arguments["message"], schema, "User response").await
        }
        "test_elicitation_sep1034_defaults" => {
            elicited(talk, &json!("Please review the defaults"), defaults(), "Elicitation completed").await
        }
        "test_elicitation_sep1330_enums" => {
            elicited(talk, &json!("Please select"), enums(), "Elicitation completed").await
        }
        "test_roots" => match talk.ask("roots/list", json!({})).await {
            Ok(result) => text(result["roots"].to_string()),
            Err(message) => failed(&message),
        },
        _ => return None,
    })
}

async fn elicited(talk: &Talk, message: &Value, schema: Value, said: &str) -> Value {
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    match talk.ask("elicitation/create", params).await {
        Ok(result) => text(format!(
            "{said}: action={}, content={}",
            result["action"].as_str().unwrap_or("none"),
            result.get("content").unwrap_or(&json!({}))
        )),
        Err(message) => failed(&message),
    }
}

fn failed(message: &str) -> Value {
    let mut result = text(message);
    result["isError"] = json!(true);
    result
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": true},
        },
        "required": [],
    })
}

fn enums() -> Value {
    let untitled = json!(["option1", "option2", "option3"]);
    let titled = |kind: &str| {
        let title = |value: &str, name: &str| json!({"const": value, "title": format!("{name} {kind}")});
        json!([title("value1", "First"), title("value2", "Second"), title("value3", "Third")])
    };
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": untitled},
            "titledSingle": {"type": "string", "oneOf": titled("Option")},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {
                "type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "enum": untitled},
            },
            "titledMulti": {
                "type": "array", "minItems": 1, "maxItems": 3, "items": {"anyOf": titled("Choice")},
            },
        },
        "required": [],
    })
}
