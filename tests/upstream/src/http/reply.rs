//! From a log to an answer: plain JSON where nothing was said meanwhile, else a stream of events.

use std::io;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::{event, json_body};
use crate::body::written;
use crate::state::State;
use crate::talk::{Log, Piece};

/// How a stream is written.
pub(crate) struct Stream {
    pub(crate) log: Arc<Log>,
    /// The first piece to write.
    pub(crate) from: usize,
    /// What event ids begin with, where streams can be taken up again.
    pub(crate) name: Option<String>,
    /// Whether somebody comes back to a stream that was closed.
    pub(crate) is_resumed: bool,
    /// The work that ends when nobody reads any more, where that is what it means.
    pub(crate) work: Option<Work>,
}

/// Work on one request.
pub(crate) struct Work {
    pub(crate) state: Arc<State>,
    pub(crate) id: Value,
    pub(crate) task: AbortHandle,
}

impl Work {
    /// Ends it, unless it has ended.
    pub(crate) fn cancel(&self) {
        if !self.task.is_finished() {
            self.task.abort();
            self.state.note_cancelled(self.id.clone());
        }
    }
}

/// The only message of a log, once it has ended.
pub(crate) async fn only(log: &Log) -> Option<Value> {
    match (log.at(0).await, log.at(1).await) {
        (Piece::Message(message), Piece::End) => Some(message),
        _ => None,
    }
}

impl Stream {
    /// The answer that carries it.
    pub(crate) fn respond(self) -> Response {
        let (writer, body) = written();
        tokio::spawn(async move {
            let log = self.log.clone();
            tokio::select! {
                () = self.write(&writer) => {}
                () = writer.closed() => {}
            }
            drop(log);
        });
        let headers = [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ];
        (headers, body).into_response()
    }

    async fn write(&self, writer: &mpsc::Sender<io::Result<Bytes>>) {
        let id = |place: usize| self.name.as_ref().map(|name| format!("{name}-{place}"));
        if let Some(id) = id(self.from) {
            // Primes the stream: it can be taken up again before anything was said.
            let _ = writer.send(Ok(Bytes::from(format!("id: {id}\nretry: 50\ndata: \n\n")))).await;
        }
        for place in self.from.. {
            let sent = match self.log.at(place).await {
                Piece::Message(message) => {
                    writer.send(Ok(event(id(place + 1).as_deref(), &message.to_string()))).await
                }
                Piece::Raw(bytes) => writer.send(Ok(bytes.into())).await,
                Piece::Close if self.is_resumed && place == self.from => Ok(()),
                Piece::Close | Piece::End => return,
                Piece::Break => {
                    let _ = writer.send(Err(io::ErrorKind::ConnectionReset.into())).await;
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.cancel();
        }
    }
}

/// A plain answer.
pub(crate) fn plain(message: &Value) -> Response {
    let status = match message["error"]["code"].as_i64() {
        Some(-32_601) => StatusCode::NOT_FOUND,
        Some(-32_022..=-32_020) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    json_body(status, message)
}
