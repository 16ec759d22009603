//! What a server says and asks by itself: who is told, and what is answered where nobody is.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::pool::Heard;
use crate::{Asked, Events, Notification, RpcError, meta};

/// Where changes go that belong to no request.
#[derive(Clone)]
pub(crate) struct Board {
    key: String,
    heard: broadcast::Sender<Heard>,
}

impl Board {
    pub(crate) fn new(key: &str, heard: &broadcast::Sender<Heard>) -> Self {
        Self { key: key.to_owned(), heard: heard.clone() }
    }

    /// Tells whoever listens. Only of changes: whatever else a server says is nobody's here, and would crowd out what others say.
    pub(crate) fn post(&self, notification: Notification) {
        if !is_change(&notification.method) {
            return;
        }
        // That nobody does is no fault.
        let _ = self.heard.send(Heard { key: self.key.clone(), notification });
    }

    /// Tells who waits for the request that this was said about, or everybody if it was said about none.
    pub(crate) fn sort(&self, notification: Notification, listener: &Listener) {
        if is_change(&notification.method) {
            self.post(notification);
        } else {
            listener.hear(notification);
        }
    }
}

/// The first word of a stream of changes (2026-07-28, "Subscriptions").
pub(crate) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Whether it says that something changed, whichever stream it came on.
fn is_change(method: &str) -> bool {
    method.ends_with("/list_changed") || matches!(method, "notifications/resources/updated" | ACKNOWLEDGED)
}

/// Who waits for one request.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) events: Arc<dyn Events>,
    /// The request's own id, which is its progress token on the wire.
    pub(crate) id: u64,
    /// The progress token that the request came with.
    pub(crate) token: Option<Arc<RawValue>>,
}

impl Listener {
    /// Passes on what concerns this request: progress under its token, and whatever else was said.
    pub(crate) fn hear(&self, notification: Notification) {
        if notification.method != "notifications/progress" {
            self.events.heard(notification);
            return;
        }
        // Progress of nobody's request is nobody's.
        let Some(token) = self.token.as_deref().filter(|_| meta::token(&notification) == Some(self.id))
        else {
            return;
        };
        if let Ok(restored) = meta::restore(notification, token) {
            self.events.heard(restored);
        }
    }
}

/// Answers what a server asks: `ping` here, the rest by who waits, if anybody does.
pub(crate) async fn answer(listener: Option<&Listener>, asked: Asked) -> Result<Box<RawValue>, RpcError> {
    match listener {
        _ if asked.method == "ping" => Ok(empty()),
        Some(listener) => listener.events.asked(asked).await,
        None => Err(RpcError::method_not_found(&asked.method)),
    }
}

/// `{}`
pub(crate) fn empty() -> Box<RawValue> {
    meta::raw(&serde_json::Map::new()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
