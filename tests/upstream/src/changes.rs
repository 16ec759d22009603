//! Changes, and who hears of which: a stream of the stateless era hears what it asked for, one of a session every change of a
//! list and those of the resources that the session subscribed to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::http::event;
use crate::resources;
use crate::state::State;
use crate::talk::{Log, Piece};

const UPDATED: &str = "notifications/resources/updated";

/// The resources that one session subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Watched(Mutex<HashSet<String>>);

impl Watched {
    pub(crate) fn add(&self, uri: &str) {
        self.0.lock().expect("no panic").insert(uri.to_owned());
    }

    pub(crate) fn remove(&self, uri: &str) {
        self.0.lock().expect("no panic").remove(uri);
    }

    /// Whether its session hears of a change.
    pub(crate) fn hears(&self, change: &Value) -> bool {
        let uri = change["params"]["uri"].as_str().unwrap_or_default();
        change["method"] != UPDATED || is_part_of_any(uri, self.0.lock().expect("no panic").iter())
    }
}

/// Whether somebody who watches these hears of a change of `uri`, which may lie within one of them.
fn is_part_of_any<'a>(uri: &str, mut watched: impl Iterator<Item = &'a String>) -> bool {
    watched.any(|one| {
        uri.strip_prefix(one.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// A resource changed.
pub(crate) fn updated(uri: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": uri}})
}

/// What goes out for what was announced: one change, or many that arrive at once.
pub(crate) fn piece(change: Value) -> Piece {
    let Value::Array(flood) = change else { return Piece::Message(change) };
    Piece::Raw(flood.iter().flat_map(|change| event(None, &change.to_string())).collect())
}

/// What of a filter is honoured: no resource that is not there.
fn honoured(state: &State, filter: &Value) -> (Value, Vec<String>) {
    let (mut filter, mut uris) = (filter.clone(), vec![]);
    if let Some(asked) = filter["resourceSubscriptions"].as_array() {
        let asked = asked.iter().filter_map(Value::as_str);
        let known =
            asked.filter(|uri| state.tells_of_resources() && resources::read(&json!({"uri": uri})).is_ok());
        uris = known.map(str::to_owned).collect();
        filter["resourceSubscriptions"] = json!(uris);
    }
    (filter, uris)
}

/// What goes out for the subscription `id`: that it was heard, and then what it asked for, until the work is ended.
pub(crate) fn follow(state: &State, id: &Value, params: &Value) -> (Arc<Log>, AbortHandle) {
    let log = Log::new();
    let (filter, uris) = honoured(state, &params["notifications"]);
    let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
    log.push(Piece::Message(json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {"_meta": meta, "notifications": filter},
    })));
    let (mut changes, writing) = (state.changes.subscribe(), log.clone());
    let work = tokio::spawn(async move {
        while let Ok(mut change) = changes.recv().await {
            let is_wanted = match change["method"].as_str().unwrap_or_default() {
                "notifications/tools/list_changed" => filter["toolsListChanged"] == true,
                "notifications/prompts/list_changed" => filter["promptsListChanged"] == true,
                "notifications/resources/list_changed" => filter["resourcesListChanged"] == true,
                UPDATED => is_part_of_any(change["params"]["uri"].as_str().unwrap_or_default(), uris.iter()),
                _ => false,
            };
            if is_wanted {
                change["params"]["_meta"] = meta.clone();
                writing.push(Piece::Message(change));
            }
        }
    });
    (log, work.abort_handle())
}
