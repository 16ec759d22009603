//! The eras up to 2025-11-25: a session, a stream of its own for what belongs to no request, and streams that can be taken
//! up again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_oauth::{Secret, SecretKind};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::reply::{Stream, Work, only, plain};
use super::{Incoming, Speaks, header, json_body, refuse};
use crate::answers::{RpcError, answer, capabilities, message, server_info};
use crate::changes::{Watched, piece};
use crate::state::State;
use crate::talk::{Asks, Log, Piece, Talk};

const SPOKEN: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    asks: Arc<Asks>,
    watched: Arc<Watched>,
    capabilities: Value,
    /// The session's own stream that was opened last.
    stream: Mutex<Option<AbortHandle>>,
    logs: Mutex<Vec<Arc<Log>>>,
    /// What is under way, by the request's id as text.
    work: Mutex<HashMap<String, AbortHandle>>,
}

pub(super) async fn serve(state: Arc<State>, incoming: Incoming) -> Response {
    let id = incoming.body["id"].clone();
    if incoming.body["method"] == "initialize" {
        return initialize(&state, &incoming);
    }
    let Some(name) = header(&incoming.headers, "mcp-session-id") else {
        return refuse(StatusCode::BAD_REQUEST, &Value::Null, RpcError::new(-32_000, "no session"));
    };
    let session = state.sessions.lock().expect("no panic").get(name).cloned();
    let Some(session) = session else {
        return refuse(StatusCode::NOT_FOUND, &Value::Null, RpcError::new(-32_001, "Session not found"));
    };
    if header(&incoming.headers, "mcp-protocol-version").is_some_and(|version| !SPOKEN.contains(&version)) {
        return refuse(StatusCode::BAD_REQUEST, &id, RpcError::new(-32_000, "unknown revision"));
    }
    match incoming.method.as_str() {
        // Not the right status, and not a rare one.
        "GET" if incoming.speaks == Speaks::Mute => StatusCode::NOT_FOUND.into_response(),
        "GET" => listen(&state, &session, &incoming),
        "DELETE" => {
            state.sessions.lock().expect("no panic").remove(name);
            StatusCode::OK.into_response()
        }
        _ if incoming.body.get("method").is_none() => {
            session.asks.answered(&incoming.body);
            StatusCode::ACCEPTED.into_response()
        }
        _ if id.is_null() => {
            session.notified(&state, &incoming.body);
            StatusCode::ACCEPTED.into_response()
        }
        _ => session.request(state, incoming).await,
    }
}

fn initialize(state: &State, incoming: &Incoming) -> Response {
    let asked = incoming.body["params"]["protocolVersion"].as_str().unwrap_or_default();
    let version = SPOKEN.into_iter().find(|spoken| *spoken == asked).unwrap_or(SPOKEN[0]);
    let name = Secret::generate(SecretKind::McpSession).expose().to_owned();
    let session = Session {
        asks: Arc::default(),
        watched: Arc::default(),
        capabilities: incoming.body["params"]["capabilities"].clone(),
        stream: Mutex::default(),
        logs: Mutex::default(),
        work: Mutex::default(),
    };
    state.sessions.lock().expect("no panic").insert(name.clone(), Arc::new(session));
    let result = json!({
        "protocolVersion": version,
        "capabilities": capabilities(state, false),
        "serverInfo": server_info(),
        "instructions": "For tests.",
    });
    let answer = json_body(StatusCode::OK, &message(&incoming.body["id"], Ok(result)));
    ([("mcp-session-id", name)], answer).into_response()
}

/// The session's own stream, or one that is taken up again.
fn listen(state: &Arc<State>, session: &Session, incoming: &Incoming) -> Response {
    if let Some(last) = header(&incoming.headers, "last-event-id") {
        let place =
            last.split_once('-').and_then(|(log, from)| Some((log.parse().ok()?, from.parse().ok()?)));
        let Some((number, from)) = place else { return StatusCode::BAD_REQUEST.into_response() };
        let number: usize = number;
        let log = session.logs.lock().expect("no panic").get(number).cloned();
        let Some(log) = log else { return StatusCode::BAD_REQUEST.into_response() };
        let name = Some(number.to_string());
        return Stream { log, from, name, is_resumed: true, work: None }.respond();
    }
    let mut open = session.stream.lock().expect("no panic");
    if incoming.speaks == Speaks::Json && open.as_ref().is_some_and(|open| !open.is_finished()) {
        return (StatusCode::CONFLICT, "one stream, please").into_response();
    }
    let log = Log::new();
    let (mut changes, writing, watched) = (state.changes.subscribe(), log.clone(), session.watched.clone());
    let task = tokio::spawn(async move {
        while let Ok(change) = changes.recv().await {
            if watched.hears(&change) {
                writing.push(piece(change));
            }
        }
    });
    *open = Some(task.abort_handle());
    let work = Work { state: state.clone(), id: Value::Null, task: task.abort_handle() };
    Stream { log, from: 0, name: None, is_resumed: false, work: Some(work) }.respond()
}

impl Session {
    fn notified(&self, state: &State, body: &Value) {
        if body["method"] == "notifications/cancelled" {
            let id = &body["params"]["requestId"];
            if let Some(work) = self.work.lock().expect("no panic").remove(&id.to_string()) {
                work.abort();
                state.note_cancelled(id.clone());
            }
        }
    }

    async fn request(self: Arc<Self>, state: Arc<State>, incoming: Incoming) -> Response {
        let Incoming { body, speaks, .. } = incoming;
        let log = Log::new();
        let number = {
            let mut logs = self.logs.lock().expect("no panic");
            logs.push(log.clone());
            logs.len() - 1
        };
        let (asks, capabilities) = (Some(self.asks.clone()), self.capabilities.clone());
        let (meta, watched) = (body["params"]["_meta"].clone(), self.watched.clone());
        let talk = Talk { log: log.clone(), asks, capabilities, meta, watched };
        let (id, method) = (body["id"].clone(), body["method"].as_str().unwrap_or_default().to_owned());
        let (session, key, params) = (self.clone(), id.to_string(), body["params"].clone());
        let is_streamed = method == "tools/call" && speaks != Speaks::Json;
        let work = tokio::spawn(async move {
            let outcome = answer(&state, &talk, &method, &params).await;
            session.work.lock().expect("no panic").remove(&id.to_string());
            talk.log.push(Piece::Message(message(&id, outcome)));
            talk.log.push(Piece::End);
        });
        self.work.lock().expect("no panic").insert(key, work.abort_handle());
        if !is_streamed && let Some(message) = only(&log).await {
            return match message["error"]["code"].as_i64() {
                Some(-32_601) => json_body(StatusCode::OK, &message),
                _ => plain(&message),
            };
        }
        let name = Some(number.to_string());
        Stream { log, from: 0, name, is_resumed: false, work: None }.respond()
    }
}
