//! What a tool of our own says: the sandbox's answers, and the refusals that a model should read.

use serde_json::{Value, json};

use crate::reply::Reply;

/// What a tool said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolResult {
    /// Content blocks.
    pub(crate) content: Vec<Value>,
    /// The same for programs.
    pub(crate) structured: Option<Value>,
    /// Whether it is a failure that the model should read.
    pub(crate) is_error: bool,
}

impl ToolResult {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { content: vec![text_block(&text.into())], structured: None, is_error: false }
    }

    /// A structured answer with its text copy (TOOL-5).
    pub(crate) fn structured(value: Value) -> Self {
        Self { content: vec![text_block(&value.to_string())], structured: Some(value), is_error: false }
    }

    /// A failure.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }
}

impl From<ToolResult> for Reply {
    fn from(said: ToolResult) -> Self {
        let mut result = json!({"content": said.content, "isError": said.is_error});
        if let Some(structured) = said.structured {
            result["structuredContent"] = structured;
        }
        result.into()
    }
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}
