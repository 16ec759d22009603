//! Tools: what the conformance suite calls, and some that misbehave.

mod anything;
mod asking;
mod bad;
mod content;
pub(crate) mod rounds;

use serde_json::{Value, json};

use crate::answers::RpcError;
use crate::state::State;
use crate::talk::Talk;

pub(crate) use content::IMAGE;

/// Every tool, in a stable order.
pub(crate) fn list() -> Vec<Value> {
    let mut all = content::list();
    all.extend(asking::list());
    all.extend(anything::list());
    all.extend(rounds::list());
    all.extend(bad::list());
    all
}

/// A tool without arguments.
fn plain(name: &str) -> Value {
    tool(name, &json!({"type": "object", "properties": {}}))
}

fn tool(name: &str, schema: &Value) -> Value {
    json!({"name": name, "description": "For tests.", "inputSchema": schema})
}

/// A result that is one text.
fn text(text: impl Into<String>) -> Value {
    json!({"content": [{"type": "text", "text": text.into()}]})
}

/// Runs one.
pub(crate) async fn call(state: &State, talk: &Talk, params: &Value) -> Result<Value, RpcError> {
    let name = params["name"].as_str().unwrap_or_default();
    if let Some(result) = content::call(state, talk, name, &params["arguments"]).await {
        return result;
    }
    if let Some(result) = asking::call(talk, name, &params["arguments"]).await {
        return Ok(result);
    }
    if let Some(result) = anything::call(talk, name, params).await {
        return Ok(result);
    }
    if let Some(result) = rounds::call(talk, name, params) {
        return result;
    }
    match bad::call(talk, name, &params["arguments"]).await {
        Some(result) => result,
        None => Err(RpcError::invalid(format!("Unknown tool: {name}"))),
    }
}
