//! `tools/list` of many users, each in turn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Era;
use crate::http::{Connection, request};
use crate::load::{Caller, Done, Step};
use crate::{Outcome, echo, seed};

/// Users whose turn it is one after the other, and how long each waited.
#[derive(Debug)]
pub(crate) struct Turns {
    /// The number of the token whose turn is next, and of the first that has none.
    pub(crate) next: Cell<u32>,
    pub(crate) end: u32,
    /// Longer than a load's own times can be.
    pub(crate) taken: RefCell<Vec<Duration>>,
}

/// Asks for the list of each user once, until the last had their turn.
pub(crate) struct Listing {
    host: String,
    path: &'static str,
    turns: Rc<Turns>,
}

impl Listing {
    pub(crate) fn new(host: &str, path: &'static str, turns: Rc<Turns>) -> Self {
        Self { host: host.to_owned(), path, turns }
    }

    async fn list(&self, connection: &mut Connection) -> Outcome<Done> {
        let number = self.turns.next.get();
        if number >= self.turns.end {
            return Ok(Done::Nothing);
        }
        self.turns.next.set(number + 1);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": Era::Stateless.revision(),
            "io.modelcontextprotocol/clientCapabilities": {},
        }}});
        let bearer = format!("Bearer {}", seed::token(number).expose());
        let headers = [
            ("host", self.host.as_str()),
            ("authorization", &bearer),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("mcp-protocol-version", Era::Stateless.revision()),
            ("mcp-method", "tools/list"),
        ];
        let sent = request(&format!("POST {}", self.path), &headers, &body.to_string());
        let began = Instant::now();
        let answer = connection.exchange(&sent).await?;
        self.turns.taken.borrow_mut().push(began.elapsed());
        answer.expect_status(200)?;
        if !answer.text().contains(&format!("__{}\"", echo::TOOL)) {
            return Err(format!("a list without the living: {}", answer.text()).into());
        }
        Ok(Done::Well)
    }
}

impl Caller for Listing {
    fn operate<'a>(&'a mut self, connection: &'a mut Connection) -> Step<'a> {
        Box::pin(self.list(connection))
    }
}
