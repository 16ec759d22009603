//! `tools/call` of an echo in either era of the protocol: at the gateway, at the floor, or at the upstream server itself.

use portcullis_oauth::random_handle;
use serde_json::{Value, json};

use super::SharedBearers;
use crate::Outcome;
use crate::http::{Answer, Connection, request};
use crate::load::{Caller, Done, Step};

/// An era of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Each request says everything.
    Stateless,
    /// What is the same for all requests is said once.
    Sessions,
}

impl Era {
    /// The revision that is spoken.
    pub(crate) const fn revision(self) -> &'static str {
        match self {
            Self::Stateless => "2026-07-28",
            Self::Sessions => "2025-11-25",
        }
    }

    /// Its name: of the upstream server in the catalogue, and of the connection to it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
            Self::Sessions => "sessions",
        }
    }

    /// The path of the upstream server that speaks it.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Stateless => "/stateless",
            Self::Sessions => "/sessions",
        }
    }
}

/// Where calls go, and as what.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) tool: String,
    pub(crate) era: Era,
}

/// `tools/call` of an echo, again and again.
pub(crate) struct Call {
    called: Called,
    bearers: SharedBearers,
    /// Whether each call says something else.
    various: bool,
    /// In the era of sessions, once it has begun.
    session: Option<String>,
    ready: Option<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(called: Called, bearers: SharedBearers) -> Self {
        Self { called, bearers, various: false, session: None, ready: None }
    }

    /// The same with arguments that are others in every call.
    pub(crate) fn various(called: Called, bearers: SharedBearers) -> Self {
        Self { various: true, ..Self::new(called, bearers) }
    }

    fn call(&self) -> Vec<u8> {
        let more = if self.various { random_handle(" ") } else { String::new() };
        let arguments = json!({"message": format!("the quick brown fox jumps over the lazy dog{more}")});
        let mut params = json!({"name": self.called.tool, "arguments": arguments});
        if self.called.era == Era::Stateless {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.called.era.revision(),
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        self.message(
            "tools/call",
            &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}),
        )
    }

    fn message(&self, method: &str, body: &Value) -> Vec<u8> {
        let Called { host, path, tool, era } = &self.called;
        let bearer = self.bearers.header();
        let mut headers = vec![
            ("host", host.as_str()),
            ("authorization", &bearer),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        match &self.session {
            Some(session) => {
                headers
                    .extend([("mcp-session-id", session.as_str()), ("mcp-protocol-version", era.revision())]);
            }
            None if *era == Era::Stateless => headers.extend([
                ("mcp-protocol-version", era.revision()),
                ("mcp-method", method),
                ("mcp-name", tool),
            ]),
            None => {}
        }
        request(&format!("POST {path}"), &headers, &body.to_string())
    }

    /// Opens the session, where there are sessions.
    async fn begin(&mut self, connection: &mut Connection) -> Outcome<()> {
        if self.called.era == Era::Stateless || self.session.is_some() {
            return Ok(());
        }
        let client = json!({"name": "bench", "version": "1"});
        let params =
            json!({"protocolVersion": self.called.era.revision(), "capabilities": {}, "clientInfo": client});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let answer = connection.exchange(&self.message("initialize", &body)).await?;
        answer.expect_status(200)?;
        self.session = Some(answer.header("mcp-session-id").ok_or("there is no session")?.to_owned());
        let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        connection.exchange(&self.message("notifications/initialized", &body)).await?.expect_status(202)
    }
}

impl Caller for Call {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            self.begin(connection).await?;
            if !self.bearers.same || self.various || self.ready.is_none() {
                self.ready = Some(self.call());
            }
            let answer = connection.exchange(self.ready.as_deref().unwrap_or_default()).await?;
            echoed(&answer)?;
            Ok(Done::Well)
        })
    }
}

fn echoed(answer: &Answer<'_>) -> Outcome<()> {
    answer.expect_status(200)?;
    if !answer.text().contains("lazy dog") || answer.text().contains("\"isError\":true") {
        return Err(format!("the tool did not echo: {}", answer.text()).into());
    }
    Ok(())
}
