//! The sandbox's tools as lists show them. The annotations help clients to present a tool; what may be called is the
//! policy's to say (TOOL-8).

use serde_json::{Map, Value, json};

/// Every tool, in the order of lists.
pub(super) fn descriptions() -> Vec<Map<String, Value>> {
    let all = [plain(), data(), notes()].concat();
    all.into_iter()
        .filter_map(|tool| if let Value::Object(members) = tool { Some(members) } else { None })
        .collect()
}

fn plain() -> Vec<Value> {
    vec![
        json!({
            "name": "echo", "title": "Echo",
            "description": "Gives the message back. Good for trying out whether everything works.",
            "inputSchema": object(json!({"message": text(10_000, "What to give back.")}), &["message"]),
            "annotations": reads(),
        }),
        json!({
            "name": "slow", "title": "Slow",
            "description": "Waits up to ten seconds and then answers.",
            "inputSchema": object(
                json!({"seconds": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1, "description": "How long to wait."}}),
                &[],
            ),
            "annotations": reads(),
        }),
        json!({
            "name": "fail", "title": "Fail",
            "description": "Always fails inside, to show what a caller learns of it.",
            "inputSchema": object(json!({}), &[]),
            "annotations": reads(),
        }),
    ]
}

fn data() -> Vec<Value> {
    let column = json!({"type": "string", "enum": super::database::columns()});
    vec![
        json!({
            "name": "list_files", "title": "List files",
            "description": "Lists the text files of the sandbox folder with their sizes.",
            "inputSchema": object(json!({}), &[]),
            "annotations": reads(),
        }),
        json!({
            "name": "read_file", "title": "Read a file",
            "description": "Reads one text file of the sandbox folder, by the name that list_files gives.",
            "inputSchema": object(json!({"name": text(100, "A file name without any folder.")}), &["name"]),
            "annotations": reads(),
        }),
        json!({
            "name": "query_database", "title": "Query the demo database",
            "description": "Reads up to 100 rows of a demo table. `customers` has id, name, city, since; `orders` has \
                            id, customer_id, item, cents, ordered_on.",
            "inputSchema": object(
                json!({
                    "table": {"type": "string", "enum": super::database::tables(), "description": "Which table."},
                    "columns": {"type": "array", "items": column, "uniqueItems": true, "minItems": 1, "maxItems": 10,
                        "description": "Which columns; all when absent."},
                    "where": {
                        "type": "object", "required": ["column", "equals"], "additionalProperties": false,
                        "properties": {
                            "column": column,
                            "equals": {"type": ["string", "integer"], "maxLength": 200},
                        },
                        "description": "Only rows in which this column has this value.",
                    },
                    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 100},
                }),
                &["table"],
            ),
            "annotations": reads(),
        }),
    ]
}

fn notes() -> Vec<Value> {
    let (title, body) = (text(200, "A title."), text(10_000, "The text of the note."));
    let id = text(40, "Which note.");
    vec![
        json!({
            "name": "create_note", "title": "Create a note",
            "description": "Writes a new note. Needs approval.",
            "inputSchema": object(json!({"title": title, "text": body}), &["title", "text"]),
            "annotations": changes(false),
        }),
        json!({
            "name": "update_note", "title": "Update a note",
            "description": "Replaces the text of a note. Needs approval.",
            "inputSchema": object(json!({"id": id, "text": body}), &["id", "text"]),
            "annotations": changes(true),
        }),
        json!({
            "name": "delete_note", "title": "Delete a note",
            "description": "Deletes a note for good. Needs approval.",
            "inputSchema": object(json!({"id": id}), &["id"]),
            "annotations": changes(true),
        }),
        json!({
            "name": "send_message", "title": "Send a message",
            "description": "Sends a message to somebody (in the sandbox: to nobody). Needs approval.",
            "inputSchema": object(
                json!({"to": text(200, "To whom."), "text": text(10_000, "What to say.")}),
                &["to", "text"],
            ),
            "annotations": {"readOnlyHint": false, "destructiveHint": false, "idempotentHint": false, "openWorldHint": true},
        }),
    ]
}

fn object(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "additionalProperties": false});
    schema["properties"] = properties;
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn text(longest: usize, description: &str) -> Value {
    json!({"type": "string", "maxLength": longest, "description": description})
}

fn reads() -> Value {
    json!({"readOnlyHint": true, "openWorldHint": false})
}

fn changes(destructive: bool) -> Value {
    json!({"readOnlyHint": false, "destructiveHint": destructive, "idempotentHint": false, "openWorldHint": false})
}
