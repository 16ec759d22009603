//! Tools that answer with content of every kind, say things meanwhile, or change something.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{plain, text, tool};
use crate::answers::RpcError;
use crate::changes::updated;
use crate::state::State;
use crate::talk::{Piece, Talk};

/// One red pixel.
pub(crate) const IMAGE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const AUDIO: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";
/// What the suite wants between two messages, so that it sees them come one by one.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn list() -> Vec<Value> {
    let mut all: Vec<_> = [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_tool_with_logging",
        "test_tool_with_progress",
        "test_error_handling",
        "test_reconnection",
        "test_logging_tool",
        "test_missing_capability",
        "test_trigger_tool_change",
        "test_trigger_prompt_change",
    ]
    .into_iter()
    .map(plain)
    .collect();
    all.push(tool("json_schema_2020_12_tool", &schema_2020_12()));
    all.push(tool("echo", &json!({"type": "object"})));
    let uri = json!({"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]});
    all.push(tool("test_trigger_resource_change", &uri));
    all.push(tool(
        "test_mirrored",
        &json!({
            "type": "object",
            "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "query": {"type": "string"}},
        }),
    ));
    all
}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

pub(super) async fn call(
    state: &State,
    talk: &Talk,
    name: &str,
    arguments: &Value,
) -> Option<Result<Value, RpcError>> {
    Some(Ok(match name {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => json!({"content": [image()]}),
        "test_audio_content" => {
            json!({"content": [{"type": "audio", "data": AUDIO, "mimeType": "audio/wav"}]})
        }
        "test_embedded_resource" => json!({"content": [resource(
            "test://embedded-resource", "text/plain", "This is an embedded resource content.",
        )]}),
        "test_multiple_content_types" => json!({"content": [
            {"type": "text", "text": "Multiple content types test:"},
            image(),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ]}),
        "test_error_handling" => {
            let mut result = text("This tool intentionally returns an error for testing");
            result["isError"] = json!(true);
            result
        }
        "json_schema_2020_12_tool" | "echo" | "test_mirrored" => {
            let mut result = text(arguments.to_string());
            result["structuredContent"] = json!({"arguments": arguments});
            // Of no revision: relays leave it where it is.
            result["x-unknown"] = json!({"kept": [1, 1.0, null]});
            result
        }
        "test_missing_capability" if !talk.can("sampling") => {
            let missing = json!({"requiredCapabilities": {"sampling": {}}});
            return Some(Err(RpcError::new(-32_021, "sampling is needed").with(missing)));
        }
        "test_missing_capability" => text("sampling was declared"),
        "test_trigger_tool_change" => changed(state, "tools"),
        "test_trigger_prompt_change" => changed(state, "prompts"),
        "test_trigger_resource_change" => {
            state.announce(&updated(arguments["uri"].as_str().unwrap_or_default()));
            text("changed")
        }
        _ => return saying(talk, name).await.map(Ok),
    }))
}

/// Tools that say something before they answer.
async fn saying(talk: &Talk, name: &str) -> Option<Value> {
    match name {
        "test_tool_with_logging" | "test_logging_tool" => {
            for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                talk.log(said);
                sleep(PAUSE).await;
            }
            Some(text("Tool with logging executed successfully"))
        }
        "test_tool_with_progress" => {
            for progress in [0, 50, 100] {
                talk.progress(progress);
                sleep(PAUSE).await;
            }
            Some(text("Tool with progress executed successfully"))
        }
        "test_reconnection" => {
            talk.log.push(Piece::Close);
            Some(text("Reconnected."))
        }
        _ => None,
    }
}

fn changed(state: &State, what: &str) -> Value {
    state.announce(&json!({"jsonrpc": "2.0", "method": format!("notifications/{what}/list_changed")}));
    text("changed")
}

fn image() -> Value {
    json!({"type": "image", "data": IMAGE, "mimeType": "image/png"})
}

fn resource(uri: &str, mime_type: &str, text: &str) -> Value {
    json!({"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": text}})
}
