//! Requests at the gateway: a bearer that is only checked, and `tools/call` of the sandbox's echo.

use std::cell::Cell;
use std::rc::Rc;

use portcullis_oauth::Secret;
use serde_json::json;

use crate::http::{Connection, request};
use crate::load::{Caller, Done, Step};
use crate::seed;

/// Which of the seeded tokens the next request presents.
#[derive(Debug)]
pub(crate) struct Bearers {
    next: Cell<u32>,
    count: u32,
    same: bool,
}

/// One sequence of tokens for all callers of a measurement.
pub(crate) type SharedBearers = Rc<Bearers>;

impl Bearers {
    /// Each request another token, in turn: with many more tokens than a cache holds, it never helps.
    pub(crate) fn changing(count: u32) -> SharedBearers {
        Rc::new(Self { next: Cell::new(0), count, same: false })
    }

    /// Always the same one.
    pub(crate) fn same() -> SharedBearers {
        Rc::new(Self { next: Cell::new(0), count: 1, same: true })
    }

    fn header(&self) -> String {
        format!("Bearer {}", self.turn().expose())
    }

    /// The token whose turn it is.
    pub(super) fn turn(&self) -> Secret {
        let number = self.next.get();
        self.next.set((number + 1) % self.count);
        seed::token(number)
    }
}

/// `GET` at a path that answers a live bearer with `status`.
pub(crate) struct Check {
    host: String,
    path: &'static str,
    status: u16,
    bearers: SharedBearers,
    ready: Option<Vec<u8>>,
}

impl Check {
    pub(crate) fn new(host: &str, path: &'static str, status: u16, bearers: SharedBearers) -> Self {
        Self { host: host.to_owned(), path, status, bearers, ready: None }
    }

    fn request(&self) -> Vec<u8> {
        let bearer = self.bearers.header();
        request(&format!("GET {}", self.path), &[("host", &self.host), ("authorization", &bearer)], "")
    }
}

impl Caller for Check {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            if !self.bearers.same || self.ready.is_none() {
                self.ready = Some(self.request());
            }
            let sent = self.ready.as_deref().unwrap_or_default();
            connection.exchange(sent).await?.expect_status(self.status)?;
            Ok(Done::Well)
        })
    }
}

/// `tools/call` of `echo` in the stateless revision.
pub(crate) struct Call {
    host: String,
    path: &'static str,
    bearers: SharedBearers,
    ready: Option<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(host: &str, path: &'static str, bearers: SharedBearers) -> Self {
        Self { host: host.to_owned(), path, bearers, ready: None }
    }

    fn request(&self) -> Vec<u8> {
        const VERSION: &str = "2026-07-28";
        const TOOL: &str = "sandbox__echo";
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": TOOL, "arguments": {"message": "the quick brown fox jumps over the lazy dog"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }});
        let bearer = self.bearers.header();
        let headers = [
            ("host", self.host.as_str()),
            ("authorization", &bearer),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", VERSION),
            ("mcp-method", "tools/call"),
            ("mcp-name", TOOL),
        ];
        request(&format!("POST {}", self.path), &headers, &body.to_string())
    }
}

impl Caller for Call {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(async move {
            if !self.bearers.same || self.ready.is_none() {
                self.ready = Some(self.request());
            }
            let answer = connection.exchange(self.ready.as_deref().unwrap_or_default()).await?;
            answer.expect_status(200)?;
            if !answer.text().contains("lazy dog") || answer.text().contains("\"isError\":true") {
                return Err(format!("the tool did not echo: {}", answer.text()).into());
            }
            Ok(Done::Well)
        })
    }
}
