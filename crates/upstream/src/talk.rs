//! What a server says and asks by itself: who is told, and what is answered where nobody is.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::heard::{Change, Inbox};
use crate::{Asked, Events, Notification, RpcError, meta};

/// Where changes go that belong to no request.
#[derive(Clone)]
pub(crate) struct Board {
    key: String,
    inbox: Inbox,
}

impl Board {
    pub(crate) fn new(key: &str, inbox: &Inbox) -> Self {
        Self { key: key.to_owned(), inbox: inbox.clone() }
    }

    /// Tells whoever listens. Only of changes: whatever else a server says is nobody's here.
    pub(crate) fn post(&self, notification: &Notification) {
        if let Some(change) = Change::of(notification) {
            self.inbox.put(&self.key, change);
        }
    }

    /// Tells who waits for the request that this was said about, or everybody if it was said about none.
    pub(crate) fn sort(&self, notification: Notification, listener: &Listener) {
        match Change::of(&notification) {
            Some(change) => self.inbox.put(&self.key, change),
            None => listener.hear(notification),
        }
    }
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

/// The method that asks whether anybody is there, which needs nobody who waits.
pub(crate) const PING: &str = "ping";

/// Answers what a server asks where nobody waits.
pub(crate) fn at_once(asked: &Asked) -> Result<Box<RawValue>, RpcError> {
    if asked.method == PING { Ok(empty()) } else { Err(RpcError::method_not_found(&asked.method)) }
}

/// Answers what a server asks of who waits.
pub(crate) async fn answer(listener: &Listener, asked: Asked) -> Result<Box<RawValue>, RpcError> {
    if asked.method == PING { at_once(&asked) } else { listener.events.asked(asked).await }
}

/// `{}`
pub(crate) fn empty() -> Box<RawValue> {
    meta::raw(&serde_json::Map::new()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
