//! How an answer speaks while it is worked out: what it says and asks goes into a log, which whoever carries it reads from
//! any place on, also a second time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use crate::changes::Watched;

/// One thing that goes out.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// A message.
    Message(Value),
    /// Bytes that are none.
    Raw(Vec<u8>),
    /// The stream ends here; the work goes on, and its end is for whoever comes back.
    Close,
    /// The connection breaks here.
    Break,
    /// The end.
    End,
}

/// Everything that went out for one request.
#[derive(Debug)]
pub(crate) struct Log {
    pieces: Mutex<Vec<Piece>>,
    length: watch::Sender<usize>,
}

impl Log {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { pieces: Mutex::default(), length: watch::Sender::new(0) })
    }

    pub(crate) fn push(&self, piece: Piece) {
        let mut pieces = self.pieces.lock().expect("no panic");
        pieces.push(piece);
        self.length.send_replace(pieces.len());
    }

    /// The piece at this place; waits for it.
    pub(crate) async fn at(&self, place: usize) -> Piece {
        let mut length = self.length.subscribe();
        length.wait_for(|length| *length > place).await.expect("the log is held");
        self.pieces.lock().expect("no panic")[place].clone()
    }
}

/// Questions that wait for their answers.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
}

impl Asks {
    /// Gives a client's answer to who waits for it.
    pub(crate) fn answered(&self, message: &Value) {
        let waiting =
            message["id"].as_u64().and_then(|id| self.waiting.lock().expect("no panic").remove(&id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(message.clone());
        }
    }
}

/// How one answer speaks.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) log: Arc<Log>,
    /// Where there are sessions, a server may ask.
    pub(crate) asks: Option<Arc<Asks>>,
    /// What the client declared.
    pub(crate) capabilities: Value,
    /// `_meta` of the request.
    pub(crate) meta: Value,
    /// What its session watches.
    pub(crate) watched: Arc<Watched>,
}

impl Talk {
    pub(crate) fn is_stateless(&self) -> bool {
        self.asks.is_none()
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.get(capability).is_some()
    }

    pub(crate) fn say(&self, method: &str, params: &Value) {
        self.log.push(Piece::Message(json!({"jsonrpc": "2.0", "method": method, "params": params})));
    }

    pub(crate) fn progress(&self, progress: u64) {
        if let Some(token) = self.meta.get("progressToken") {
            let message = format!("{progress} of 100");
            let params =
                json!({"progressToken": token, "progress": progress, "total": 100, "message": message});
            self.say("notifications/progress", &params);
        }
    }

    /// A log message: of the stateless era only for who asked for it.
    pub(crate) fn log(&self, text: &str) {
        if !self.is_stateless() || self.meta.get("io.modelcontextprotocol/logLevel").is_some() {
            self.say("notifications/message", &json!({"level": "info", "data": text}));
        }
    }

    /// Asks the client, and waits for its result or its error's message.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        let message = self.put(method, Some(&params)).await?;
        match message.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(message["error"]["message"].as_str().unwrap_or("no result").to_owned()),
        }
    }

    /// Asks the client, and waits for the whole message that answers.
    pub(crate) async fn put(&self, method: &str, params: Option<&Value>) -> Result<Value, String> {
        self.pose(method, params)?.await.map_err(|_| "the session ended".to_owned())
    }

    /// Asks the client; whoever waits gets the whole message that answers.
    pub(crate) fn pose(
        &self,
        method: &str,
        params: Option<&Value>,
    ) -> Result<oneshot::Receiver<Value>, String> {
        let asks = self.asks.as_ref().ok_or("this era asks by input_required")?;
        let id = asks.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        asks.waiting.lock().expect("no panic").insert(id, answer);
        let mut question = json!({"jsonrpc": "2.0", "id": id, "method": method});
        if let Some(params) = params {
            question["params"] = params.clone();
        }
        self.log.push(Piece::Message(question));
        Ok(answered)
    }
}
