//! The server over standard streams, one message a line.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::answers::{RpcError, answer, capabilities, message, server_info};
use crate::changes::{Watched, follow};
use crate::state::{Seen, State};
use crate::talk::{Asks, Log, Piece, Talk};

/// Which eras it speaks over its standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28 alone.
    Stateless,
    /// Up to 2025-11-25.
    Sessions,
    /// The same, and what it does not know before `initialize` it passes over in silence.
    Silent,
}

/// Serves until its input ends.
pub async fn serve(era: Era) {
    let (state, asks, watched) = (State::new(), Arc::new(Asks::default()), Arc::new(Watched::default()));
    let (lines, mut written) = mpsc::channel::<Vec<u8>>(64);
    let writing = tokio::spawn(async move {
        let mut out = stdout();
        while let Some(line) = written.recv().await {
            out.write_all(&line).await.expect("an output");
            out.flush().await.expect("an output");
        }
    });
    if era != Era::Stateless {
        tokio::spawn(tell(state.clone(), watched.clone(), lines.clone()));
    }
    let mut input = BufReader::new(stdin()).lines();
    while let Ok(Some(line)) = input.next_line().await {
        let Ok(body) = serde_json::from_str::<Value>(&line) else { continue };
        let method = body["method"].as_str().unwrap_or_default().to_owned();
        state.note(Seen {
            path: String::new(),
            method: method.clone(),
            headers: [].into(),
            body: body.clone(),
        });
        if method.is_empty() {
            asks.answered(&body);
        } else if !body["id"].is_null() {
            let session = (asks.clone(), watched.clone());
            tokio::spawn(one(state.clone(), session, era, body, lines.clone()));
        }
    }
    drop(lines);
    writing.abort();
}

/// Tells of changes, as sessions do.
async fn tell(state: Arc<State>, watched: Arc<Watched>, lines: mpsc::Sender<Vec<u8>>) {
    let mut changes = state.changes.subscribe();
    while let Ok(change) = changes.recv().await {
        if watched.hears(&change) && lines.send(format!("{change}\n").into_bytes()).await.is_err() {
            return;
        }
    }
}

/// Answers one request.
async fn one(
    state: Arc<State>,
    (asks, watched): (Arc<Asks>, Arc<Watched>),
    era: Era,
    body: Value,
    lines: mpsc::Sender<Vec<u8>>,
) {
    let (id, method) = (body["id"].clone(), body["method"].as_str().unwrap_or_default().to_owned());
    let params = body["params"].clone();
    if era == Era::Stateless && method == "subscriptions/listen" {
        let (log, work) = follow(&state, &id, &params);
        return carry(&log, &work, &lines).await;
    }
    let log = Log::new();
    let meta = params["_meta"].clone();
    let asks = (era != Era::Stateless).then_some(asks);
    let capabilities = meta["io.modelcontextprotocol/clientCapabilities"].clone();
    let talk = Talk { log: log.clone(), asks, capabilities, meta, watched };
    if era == Era::Silent && method == "server/discover" {
        return;
    }
    let work = tokio::spawn(async move {
        let outcome = match (era, method.as_str()) {
            (Era::Stateless, "initialize") => Err(RpcError::new(-32_601, "2026-07-28 is spoken here")),
            (_, "initialize") => Ok(initialized(&state, &params)),
            _ => answer(&state, &talk, &method, &params).await,
        };
        talk.log.push(Piece::Message(message(&id, outcome)));
        talk.log.push(Piece::End);
    });
    carry(&log, &work.abort_handle(), &lines).await;
}

/// Writes what goes out, until its end or nobody reads.
async fn carry(log: &Log, work: &AbortHandle, lines: &mpsc::Sender<Vec<u8>>) {
    for place in 0.. {
        let line = match log.at(place).await {
            Piece::Message(message) => message.to_string().into_bytes(),
            Piece::Raw(bytes) => bytes,
            Piece::Break | Piece::Close => std::process::exit(3),
            Piece::End => break,
        };
        if lines.send([line, b"\n".to_vec()].concat()).await.is_err() {
            work.abort();
            break;
        }
    }
}

fn initialized(state: &State, params: &Value) -> Value {
    json!({
        "protocolVersion": params["protocolVersion"],
        "capabilities": capabilities(state, false),
        "serverInfo": server_info(),
    })
}
