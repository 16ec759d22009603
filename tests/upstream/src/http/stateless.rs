//! The era of 2026-07-28: each request says everything itself, headers repeat the body, and a stream belongs to one request.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::reply::{self, Stream, Work};
use super::{Incoming, header, refuse};
use crate::answers::{RpcError, answer, message};
use crate::changes::follow;
use crate::state::State;
use crate::talk::{Log, Piece, Talk};

const REVISION: &str = "2026-07-28";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Whether a request claims to be of this era.
pub(super) fn claims(incoming: &Incoming) -> bool {
    let version = header(&incoming.headers, "mcp-protocol-version");
    incoming.body["params"]["_meta"].get(VERSION).is_some()
        || version.is_some_and(|version| version >= REVISION)
}

pub(super) async fn serve(state: Arc<State>, incoming: Incoming) -> Response {
    let id = incoming.body["id"].clone();
    if incoming.method != "POST" {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if let Err(error) = check(&incoming) {
        let status = if error.code == -32_601 { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        return refuse(status, &id, error);
    }
    if id.is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    let method = incoming.body["method"].as_str().unwrap_or_default().to_owned();
    let params = incoming.body["params"].clone();
    if method == "subscriptions/listen" {
        return listen(&state, &id, &params);
    }
    let log = Log::new();
    let meta = params["_meta"].clone();
    let (capabilities, watched) = (meta[CAPABILITIES].clone(), Arc::default());
    let talk = Talk { log: log.clone(), asks: None, capabilities, meta, watched };
    let (shared, task_id) = (state.clone(), id.clone());
    let work = tokio::spawn(async move {
        let outcome = answer(&shared, &talk, &method, &params).await;
        talk.log.push(Piece::Message(message(&task_id, outcome)));
        talk.log.push(Piece::End);
    });
    let work = Work { state, id, task: work.abort_handle() };
    let stream = Stream { log: log.clone(), from: 0, name: None, is_resumed: false, work: Some(work) };
    // Whoever goes away before the first word goes away from the whole.
    match log.at(0).await {
        Piece::Message(first) if first.get("method").is_none() => {
            log.at(1).await;
            reply::plain(&first)
        }
        _ => stream.respond(),
    }
}

/// Whether headers and body agree, in a revision that is spoken here.
fn check(incoming: &Incoming) -> Result<(), RpcError> {
    let mismatch = |what: &str| RpcError::new(-32_020, format!("Header mismatch: {what}"));
    let (body, headers) = (&incoming.body, &incoming.headers);
    let meta = &body["params"]["_meta"];
    let version = header(headers, "mcp-protocol-version");
    if !body["id"].is_null() {
        let claimed = meta[VERSION].as_str().ok_or_else(|| RpcError::invalid("_meta names no revision"))?;
        if !meta[CAPABILITIES].is_object() {
            return Err(RpcError::invalid("_meta names no capabilities"));
        }
        if version != Some(claimed) {
            return Err(mismatch("MCP-Protocol-Version"));
        }
        if claimed != REVISION {
            let data = json!({"supported": [REVISION], "requested": claimed});
            return Err(RpcError::new(-32_022, "Unsupported protocol version").with(data));
        }
    }
    if header(headers, "mcp-method") != body["method"].as_str() {
        return Err(mismatch("Mcp-Method"));
    }
    let params = &body["params"];
    let name = match body["method"].as_str().unwrap_or_default() {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        _ => return Ok(()),
    };
    agree(header(headers, "mcp-name"), name).ok_or_else(|| mismatch("Mcp-Name"))?;
    if name == Some("test_mirrored") {
        let region = params["arguments"]["region"].as_str();
        agree(header(headers, "mcp-param-region"), region).ok_or_else(|| mismatch("Mcp-Param-Region"))?;
    }
    Ok(())
}

/// Whether a header says what the body says, once it is decoded.
fn agree(header: Option<&str>, body: Option<&str>) -> Option<()> {
    let decoded = match header {
        None => None,
        Some(header) => match header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
            Some(encoded) => Some(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?),
            None => Some(header.to_owned()),
        },
    };
    (decoded.as_deref() == body).then_some(())
}

/// A stream of the changes that were asked for.
fn listen(state: &Arc<State>, id: &Value, params: &Value) -> Response {
    let (log, task) = follow(state, id, params);
    let work = Work { state: state.clone(), id: id.clone(), task };
    Stream { log, from: 0, name: None, is_resumed: false, work: Some(work) }.respond()
}
