//! The changes that a subscription of the stateless era asked for.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::state::State;
use crate::talk::{Log, Piece};

/// What goes out for the subscription `id`: that it was heard, and then what it asked for, until the work is ended.
pub(crate) fn follow(state: &State, id: &Value, params: &Value) -> (Arc<Log>, AbortHandle) {
    let log = Log::new();
    let filter = params["notifications"].clone();
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
