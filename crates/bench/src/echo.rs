//! An upstream server that echoes and does nothing else, in either era of the protocol, and others that are dead in the ways
//! in which servers are. It runs beside the load, as somebody else's machine would.

use std::net::Ipv4Addr;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::Outcome;
use crate::lanes::Era;

/// Its one tool.
pub(crate) const TOOL: &str = "echo";
/// The path of servers that take a request and never answer, and of those that answer with an error.
pub(crate) const SILENT: &str = "/dead/silent";
pub(crate) const BROKEN: &str = "/dead/broken";

/// Serves until it is killed. Prints its address.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let router = Router::new()
            .route(Era::Stateless.path(), post(stateless))
            .route(Era::Sessions.path(), post(sessions).get(no_stream).delete(|| async { StatusCode::OK }))
            .route(SILENT, post(std::future::pending::<StatusCode>))
            .route(BROKEN, get(no_stream).post(|| async { StatusCode::INTERNAL_SERVER_ERROR }));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        axum::serve(
            axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))),
            router,
        )
        .await?;
        Ok(())
    })
}

async fn no_stream() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

async fn stateless(body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let result = match message["method"].as_str() {
        Some("server/discover") => {
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        }
        Some("tools/list") => tools(),
        Some("tools/call") => echoed(&message),
        _ => return unknown(&message, StatusCode::NOT_FOUND),
    };
    let mut result = result;
    result["resultType"] = json!("complete");
    answer(&message, &result)
}

async fn sessions(body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match message["method"].as_str() {
        Some("initialize") => {
            let info = json!({"name": "echo", "version": "1"});
            let result =
                json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info});
            ([("mcp-session-id", "the-one-session")], answer(&message, &result)).into_response()
        }
        Some("tools/list") => answer(&message, &tools()),
        Some("tools/call") => answer(&message, &echoed(&message)),
        Some(_) if message.get("id").is_none() => StatusCode::ACCEPTED.into_response(),
        _ => unknown(&message, StatusCode::OK),
    }
}

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"message": {"type": "string"}}});
    json!({"tools": [{"name": TOOL, "description": "Says what it is told.", "inputSchema": schema}]})
}

fn echoed(message: &Value) -> Value {
    json!({"content": [{"type": "text", "text": &message["params"]["arguments"]["message"]}]})
}

fn answer(message: &Value, result: &Value) -> Response {
    Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).into_response()
}

fn unknown(message: &Value, status: StatusCode) -> Response {
    let error = json!({"code": -32601, "message": "not offered"});
    (status, Json(json!({"jsonrpc": "2.0", "id": message["id"], "error": error}))).into_response()
}
