//! HTTP with SSE of 2024-11-05: one stream for all that the server says, and a second address for what it is told.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::reply::{Stream, Work};
use super::{Speaks, read};
use crate::answers::{answer, capabilities, message as answering, server_info};
use crate::changes::piece;
use crate::state::{OldStream, State};
use crate::talk::{Log, Piece, Talk};

/// Everybody shares one stream of answers here, which is enough for one client at a time.
pub(super) async fn stream(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    let incoming = match read(&state, request, Speaks::Sessions).await {
        Ok(incoming) => incoming,
        Err(refusal) => return *refusal,
    };
    if incoming.method != "GET" {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let new = OldStream { log: Log::new(), asks: Arc::default(), watched: Arc::default() };
    let OldStream { log, watched, .. } = new.clone();
    let number = {
        let mut legacy = state.legacy.lock().expect("no panic");
        legacy.push(new);
        legacy.len() - 1
    };
    // Where a server should not send anybody.
    let origin = if incoming.query == "elsewhere" { "http://localhost:1" } else { "" };
    let endpoint = format!("event: endpoint\ndata: {origin}/messages?session={number}\n\n");
    log.push(Piece::Raw(endpoint.into_bytes()));
    let (mut changes, writing) = (state.changes.subscribe(), log.clone());
    let task = tokio::spawn(async move {
        while let Ok(change) = changes.recv().await {
            if watched.hears(&change) {
                writing.push(piece(change));
            }
        }
    });
    let work = Some(Work { state, id: Value::Null, task: task.abort_handle() });
    Stream { log, from: 0, name: None, is_resumed: false, work }.respond()
}

pub(super) async fn message(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    let incoming = match read(&state, request, Speaks::Sessions).await {
        Ok(incoming) => incoming,
        Err(refusal) => return *refusal,
    };
    let number: Option<usize> = incoming.query.strip_prefix("session=").and_then(|text| text.parse().ok());
    let found = number.and_then(|number| state.legacy.lock().expect("no panic").get(number).cloned());
    let Some(OldStream { log, asks, watched }) = found else { return StatusCode::NOT_FOUND.into_response() };
    let body = incoming.body;
    let Some(method) = body["method"].as_str().map(str::to_owned) else {
        asks.answered(&body);
        return StatusCode::ACCEPTED.into_response();
    };
    if body["id"].is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    tokio::spawn(async move {
        let meta = body["params"]["_meta"].clone();
        let capabilities_of_client = json!({"elicitation": {}});
        let talk = Talk { log, asks: Some(asks), capabilities: capabilities_of_client, meta, watched };
        let outcome = if method == "initialize" {
            let result = json!({
                "protocolVersion": "2024-11-05",
                "capabilities": capabilities(&state, false),
                "serverInfo": server_info(),
            });
            Ok(result)
        } else {
            answer(&state, &talk, &method, &body["params"]).await
        };
        talk.log.push(Piece::Message(answering(&body["id"], outcome)));
    });
    StatusCode::ACCEPTED.into_response()
}
