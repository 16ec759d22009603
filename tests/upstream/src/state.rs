//! What the server remembers: requests that it saw, sessions, and who listens to changes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::changes::Watched;
use crate::http::session::Session;
use crate::talk::{Asks, Log};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The path that it came to; empty over stdio.
    pub path: String,
    /// Its JSON-RPC method; without one (`GET`, `DELETE`, an answer) that of HTTP.
    pub method: String,
    /// Its headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// Its body; null without one.
    pub body: Value,
}

/// A stream of 2024-11-05, what was asked on it, and what it watches.
#[derive(Clone, Debug)]
pub(crate) struct OldStream {
    pub(crate) log: Arc<Log>,
    pub(crate) asks: Arc<Asks>,
    pub(crate) watched: Arc<Watched>,
}

#[derive(Debug)]
pub(crate) struct State {
    seen: Mutex<Vec<Seen>>,
    cancelled: Mutex<Vec<Value>>,
    pub(crate) sessions: Mutex<HashMap<String, Arc<Session>>>,
    /// Streams of 2024-11-05.
    pub(crate) legacy: Mutex<Vec<OldStream>>,
    pub(crate) changes: broadcast::Sender<Value>,
    /// Tools that a story defined, in place of those of the same name or beside them.
    defined: Mutex<Vec<Value>>,
    /// Whether it tells nobody of single resources.
    is_discreet: AtomicBool,
}

impl State {
    pub(crate) fn new() -> Arc<Self> {
        let (changes, _) = broadcast::channel(64);
        Arc::new(Self {
            seen: Mutex::default(),
            cancelled: Mutex::default(),
            sessions: Mutex::default(),
            legacy: Mutex::default(),
            changes,
            defined: Mutex::default(),
            is_discreet: AtomicBool::new(false),
        })
    }

    /// Whether it offers subscriptions to single resources.
    pub(crate) fn tells_of_resources(&self) -> bool {
        !self.is_discreet.load(Ordering::Relaxed)
    }

    pub(crate) fn tell_of_no_resource(&self) {
        self.is_discreet.store(true, Ordering::Relaxed);
    }

    /// Defines a tool anew; without a definition it is not listed.
    pub(crate) fn define(&self, name: &str, definition: Option<Value>) {
        let mut defined = self.defined.lock().expect("no panic");
        defined.retain(|tool| tool["name"] != name);
        defined.push(definition.unwrap_or_else(|| json!({"name": name, "gone": true})));
    }

    /// The tools as they are listed now.
    pub(crate) fn tools(&self, mut all: Vec<Value>) -> Value {
        for tool in self.defined.lock().expect("no panic").iter() {
            match all.iter().position(|known| known["name"] == tool["name"]) {
                Some(at) => all[at] = tool.clone(),
                None => all.push(tool.clone()),
            }
        }
        all.retain(|tool| tool["gone"] != true);
        Value::Array(all)
    }

    pub(crate) fn note(&self, seen: Seen) {
        self.seen.lock().expect("no panic").push(seen);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    pub(crate) fn note_cancelled(&self, id: Value) {
        self.cancelled.lock().expect("no panic").push(id);
    }

    pub(crate) fn cancelled(&self) -> Vec<Value> {
        self.cancelled.lock().expect("no panic").clone()
    }

    pub(crate) fn listening(&self) -> usize {
        self.changes.receiver_count()
    }

    pub(crate) fn forget_sessions(&self) {
        self.sessions.lock().expect("no panic").clear();
    }

    pub(crate) fn announce(&self, change: &Value) {
        // That nobody listens is no fault.
        let _ = self.changes.send(change.clone());
    }
}
