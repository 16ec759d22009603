//! The shape of results in each era. Optional members are absent, never null: clients' schemas refuse null.

use serde_json::{Map, Value, json};

use super::{Era, Revision};
use crate::tool::ToolResult;

const INSTRUCTIONS: &str =
    "Tools are named connection__tool. A call that is refused says why and what to do.";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Connections whose tools a list could not show, and why.
const MISSING: &str = "portcullis/missingConnections";

fn server_info() -> Value {
    json!({"name": "portcullis", "title": "Portcullis", "version": env!("CARGO_PKG_VERSION")})
}

/// `resultType` is required of every stateless result (HTTP26-17), and each may name the server.
fn complete(era: Era, mut result: Value) -> Value {
    if era == Era::Stateless {
        result["resultType"] = json!("complete");
        result["_meta"][SERVER_INFO] = server_info();
    }
    result
}

/// A list depends on who asks, and must not outlive a revocation (HTTP26-20).
fn private(era: Era, mut result: Value) -> Value {
    if era == Era::Stateless {
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("private");
    }
    complete(era, result)
}

/// Answers `initialize`.
pub(crate) fn initialize(revision: Revision) -> Value {
    json!({
        "protocolVersion": revision.as_str(),
        "capabilities": {"tools": {}},
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    })
}

/// Answers `server/discover`.
pub(crate) fn discover() -> Value {
    private(
        Era::Stateless,
        json!({
            "supportedVersions": Revision::names(),
            "capabilities": {"tools": {}},
            "instructions": INSTRUCTIONS,
        }),
    )
}

/// Answers with nothing to say.
pub(crate) fn empty(era: Era) -> Value {
    complete(era, json!({}))
}

/// Answers `tools/list`; `missing` are connections that are not ready, with their state.
pub(crate) fn tools(era: Era, tools: &[Value], missing: Map<String, Value>) -> Value {
    let mut result = json!({"tools": tools});
    if !missing.is_empty() {
        result["_meta"][MISSING] = Value::Object(missing);
    }
    private(era, result)
}

/// Answers `tools/call`.
pub(crate) fn tool(era: Era, outcome: &ToolResult) -> Value {
    let mut result = json!({"content": outcome.content, "isError": outcome.is_error});
    if let Some(structured) = &outcome.structured {
        result["structuredContent"] = structured.clone();
    }
    complete(era, result)
}
