//! What each method answers, the same in every era but for what the era adds.

use serde_json::{Value, json};

use crate::state::State;
use crate::talk::Talk;
use crate::{prompts, resources, tools};

/// A JSON-RPC error.
#[derive(Clone, Debug)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Value,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: Value::Null }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(-32_602, message)
    }

    pub(crate) fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }
}

/// The whole message that answers `id`.
pub(crate) fn message(id: &Value, outcome: Result<Value, RpcError>) -> Value {
    match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(RpcError { code, message, data: Value::Null }) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
        Err(RpcError { code, message, data }) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": data}})
        }
    }
}

/// What it can do, as the era says it.
pub(crate) fn capabilities(state: &State, is_stateless: bool) -> Value {
    let mut all = json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": state.tells_of_resources()},
        "completions": {},
        "logging": {},
    });
    if is_stateless {
        all.as_object_mut().expect("an object").remove("logging");
    }
    all
}

/// Who it is.
pub(crate) fn server_info() -> Value {
    json!({"name": "fixture-upstream", "version": env!("CARGO_PKG_VERSION")})
}

/// Answers one request.
pub(crate) async fn answer(
    state: &State,
    talk: &Talk,
    method: &str,
    params: &Value,
) -> Result<Value, RpcError> {
    let is_stateless = talk.is_stateless();
    match method {
        "server/discover" if is_stateless => Ok(cacheable(json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": capabilities(state, true),
            "serverInfo": server_info(),
            "instructions": "For tests.",
            "_meta": {"io.modelcontextprotocol/serverInfo": server_info()},
        }))),
        "ping" | "logging/setLevel" if !is_stateless => Ok(json!({})),
        "resources/subscribe" | "resources/unsubscribe" if !is_stateless && state.tells_of_resources() => {
            watched(talk, method, params)
        }
        "tools/list" => Ok(listed(is_stateless, "tools", &state.tools(tools::list()))),
        "tools/call" => complete(is_stateless, tools::call(state, talk, params).await),
        "prompts/list" => Ok(listed(is_stateless, "prompts", &prompts::list())),
        "prompts/get" => complete(is_stateless, prompts::get(talk, params)),
        "resources/list" => Ok(listed(is_stateless, "resources", &resources::list())),
        "resources/templates/list" => Ok(listed(is_stateless, "resourceTemplates", &resources::templates())),
        "resources/read" => {
            resources::read(params).map(|result| if is_stateless { cacheable(result) } else { result })
        }
        "completion/complete" => {
            let written = params["argument"]["value"].as_str().unwrap_or_default();
            let values: Vec<_> =
                ["paris", "park", "party"].into_iter().filter(|value| value.starts_with(written)).collect();
            let completion = json!({"total": values.len(), "hasMore": false, "values": values});
            complete(is_stateless, Ok(json!({"completion": completion})))
        }
        _ => Err(RpcError::new(-32_601, format!("{method} is not offered"))),
    }
}

/// Only what can be read can be watched.
fn watched(talk: &Talk, method: &str, params: &Value) -> Result<Value, RpcError> {
    let uri = params["uri"].as_str().ok_or_else(|| RpcError::invalid("uri is missing"))?;
    if method == "resources/unsubscribe" {
        talk.watched.remove(uri);
    } else {
        resources::read(params).map_err(|error| RpcError { code: -32_002, ..error })?;
        talk.watched.add(uri);
    }
    Ok(json!({}))
}

fn listed(is_stateless: bool, name: &str, items: &Value) -> Value {
    let result = json!({name: items});
    if is_stateless { cacheable(result) } else { result }
}

fn cacheable(mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    result["ttlMs"] = json!(0);
    result["cacheScope"] = json!("private");
    result
}

fn complete(is_stateless: bool, outcome: Result<Value, RpcError>) -> Result<Value, RpcError> {
    let mut result = outcome?;
    if is_stateless && result.get("resultType").is_none() {
        result["resultType"] = json!("complete");
    }
    Ok(result)
}
