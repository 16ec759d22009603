//! A tool, a call of it and its outcome: the nouns that pipeline, policy and upstream share.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::connections::Connection;

/// A tool of an upstream server, with its schema compiled.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The upstream's own name.
    pub(crate) name: String,
    /// How the upstream describes it, as lists show it. Its annotations are a hint to clients and never decide
    /// anything here (TOOL-8).
    pub(crate) description: Map<String, Value>,
    /// The compiled `inputSchema`.
    pub(crate) schema: Validator,
}

impl Tool {
    /// The tool as a list shows it, under the name that it has there.
    pub(crate) fn listed_as(&self, name: &str) -> Value {
        let mut listed = self.description.clone();
        listed.insert("name".to_owned(), Value::from(name));
        Value::Object(listed)
    }
}

/// Compiles a schema: 2020-12 unless it says otherwise, and nothing is ever fetched for it (TOOL-3, TOOL-6).
pub(crate) fn compile(schema: &Value) -> Result<Validator, Box<jsonschema::ValidationError<'static>>> {
    jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(schema).map_err(Box::new)
}

/// A call of one tool at one connection, with arguments that obey the tool's schema. Only
/// [`Permitted`](crate::policy::Permitted) makes it executable.
#[derive(Debug)]
pub(crate) struct ToolCall {
    /// Where.
    pub(crate) connection: Connection,
    /// The upstream's own name of the tool.
    pub(crate) tool: String,
    /// With what.
    pub(crate) arguments: Map<String, Value>,
}

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

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}
