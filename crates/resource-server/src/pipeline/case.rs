//! What is known of a request so far, for the audit and for the form of its answer. Steps read their inputs from their
//! arguments, never from here.

use axum::http::HeaderMap;
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{ClientId, ConnectionId, PrincipalId, Resource, Timestamp, VerifiedBearer};
use serde_json::json;

use crate::envelope::Id;
use crate::gateway::Inner;
use crate::policy::Decided;
use crate::protocol::Era;
use crate::refusal::Refusal;
use crate::trace::TraceId;

/// One request's file.
#[derive(Clone)]
pub(super) struct Case {
    /// The one `now` of every decision about it.
    pub(super) now: Timestamp,
    /// Its trace id.
    pub(super) trace: TraceId,
    /// What it tries to do.
    pub(super) action: Action,
    /// In which era it is answered.
    pub(super) era: Era,
    /// The id to echo.
    pub(super) id: Option<Id>,
    /// The nonce for the caller's next proof of possession.
    pub(super) next_nonce: Option<String>,
    principal: Option<PrincipalId>,
    client: Option<ClientId>,
    connection: Option<ConnectionId>,
    tool: Option<String>,
    decided: Option<Decided>,
    sanitised: Vec<String>,
}

impl Case {
    /// Opens the file of a request.
    pub(super) fn open(gateway: &Inner, headers: &HeaderMap) -> Self {
        Self {
            now: gateway.clock.now(),
            trace: TraceId::of(headers),
            action: Action::McpRequest,
            era: Era::Session,
            id: None,
            next_nonce: None,
            principal: None,
            client: None,
            connection: None,
            tool: None,
            decided: None,
            sanitised: Vec::new(),
        }
    }

    /// Notes who asks.
    pub(super) fn caller(&mut self, bearer: &VerifiedBearer) {
        self.principal = Some(bearer.principal().id.clone());
        self.client = Some(bearer.client_id().clone());
    }

    /// Notes which tool, prompt or resource is meant.
    pub(super) fn names(&mut self, name: &str) {
        self.tool = Some(name.to_owned());
    }

    /// Notes where it lies.
    pub(super) fn connection(&mut self, connection: &ConnectionId) {
        self.connection = Some(connection.clone());
    }

    /// Notes by which rule of which policy it was decided.
    pub(super) fn decided(&mut self, decided: Decided) {
        self.decided = Some(decided);
    }

    /// Notes what of the arguments was mended, without the values.
    pub(super) fn sanitised(&mut self, changes: Vec<String>) {
        self.sanitised = changes;
    }

    /// What of the arguments was mended.
    pub(super) fn changes(&self) -> &[String] {
        &self.sanitised
    }

    /// An event of this request.
    pub(super) fn event(&self, at: Timestamp, outcome: Outcome) -> Event {
        let mut event = Event::new(at, self.action, outcome).traced(self.trace.as_str());
        if let Some(principal) = &self.principal {
            event = event.by(principal);
        }
        if let Some(client) = &self.client {
            event = event.through(client);
        }
        if let Some(connection) = &self.connection {
            event = event.at_connection(connection);
        }
        if let Some(tool) = &self.tool {
            event = event.of_tool(tool);
        }
        if let Some(Decided { version, rule }) = &self.decided {
            event = event.under_policy(&version.to_string()).with(json!({ "rule": rule }));
        }
        if !self.sanitised.is_empty() {
            event = event.with(json!({ "sanitised": self.sanitised }));
        }
        event
    }

    /// Notes a refusal and gives its answer.
    pub(super) async fn refuse(&self, gateway: &Inner, resource: &Resource, refused: &Refusal) -> Response {
        gateway.trail.note(self.event(self.now, Outcome::Refused).because(refused.reason())).await;
        refused.respond((resource, gateway.possession.used()), self.era, self.id.as_ref())
    }
}
