//! One request, what may be heard and asked while it is answered, and what an answer can be.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Revision;

/// A future that a trait object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// So long a request may take, unless it says otherwise.
const DEADLINE: Duration = Duration::from_mins(1);

/// One JSON-RPC request. Dropping the future that answers it cancels it, as the transport demands.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) params: Option<Box<RawValue>>,
    pub(crate) within: Duration,
    pub(crate) events: Arc<dyn Events>,
}

impl Request {
    /// A request without parameters, to be answered within a minute, that hears nothing and answers nothing.
    #[must_use]
    pub fn new(method: impl Into<String>) -> Self {
        Self { method: method.into(), params: None, within: DEADLINE, events: Arc::new(Silent) }
    }

    /// With parameters: a JSON object. What the protocol itself keeps in `_meta` (revision, client, capabilities) is
    /// written there whatever it held before, and a `progressToken` is replaced on the wire and restored in what is heard.
    #[must_use]
    pub fn with(self, params: Box<RawValue>) -> Self {
        Self { params: Some(params), ..self }
    }

    /// To be answered within so long, everything included: waiting for a place, opening a session, the answer itself.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Tells `events` what the server says and asks meanwhile.
    #[must_use]
    pub fn telling(self, events: Arc<dyn Events>) -> Self {
        Self { events, ..self }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.method).finish_non_exhaustive()
    }
}

/// Who hears what a server says while it works on a request.
pub trait Events: Send + Sync {
    /// The server says something: `notifications/progress` under the token that the request came with, or
    /// `notifications/message`. Called in the order of arrival; must not block.
    fn heard(&self, notification: Notification) {
        drop(notification);
    }

    /// The server asks something back, in eras where servers ask: sampling, elicitation, roots. Its answer is a raw
    /// `result`. `ping` is answered before it comes here.
    fn asked(&self, asked: Asked) -> BoxFuture<'_, Result<Box<RawValue>, RpcError>> {
        Box::pin(async move { Err(RpcError::method_not_found(&asked.method)) })
    }
}

/// Hears nothing, and knows no method that a server could ask for.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Events for Silent {}

/// What a server says without waiting for an answer.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Which kind.
    pub method: String,
    /// Its parameters, as the server wrote them.
    pub params: Option<Box<RawValue>>,
}

/// What a server asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method that it calls.
    pub method: String,
    /// Its parameters, as the server wrote them.
    pub params: Option<Box<RawValue>>,
}

/// A JSON-RPC error.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RpcError {
    /// Its code.
    pub code: i64,
    /// Its sentence, in the server's words.
    pub message: String,
    /// What else it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    /// JSON-RPC 2.0 §5.1: the method does not exist here.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        Self { code: -32_601, message: format!("{method} is not offered here"), data: None }
    }

    /// More is asked than anybody could answer.
    pub(crate) fn too_much() -> Self {
        Self { code: -32_603, message: "too much is asked at once".to_owned(), data: None }
    }
}

/// What a server said of itself when it was first spoken to.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// What is spoken with it; worth remembering.
    pub revision: Revision,
    /// The whole result of `server/discover` or `initialize`, as it wrote it: capabilities, `serverInfo`, instructions.
    pub result: Arc<RawValue>,
}
