//! What is known of a request so far, for the audit and for the form of its answer. Steps read their inputs from their
//! arguments, never from here.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{ClientId, ConnectionId, PrincipalId, Resource, Timestamp, VerifiedBearer};
use serde_json::{Value, json};

use crate::connections::Connection;
use crate::envelope::Id;
use crate::errand::Params;
use crate::gateway::Inner;
use crate::policy::Decided;
use crate::protocol::Era;
use crate::refusal::Refusal;
use crate::relay::Secrets;
use crate::session::Session;
use crate::trace::{TraceId, TraceParent};

/// What stands in place of arguments of which cannot be said what in them is secret.
const NOT_KEPT: &str = "[not kept]";

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
    email: Option<String>,
    client: Option<ClientId>,
    session: Option<String>,
    place: Option<Place>,
    tool: Option<String>,
    parent: Option<TraceParent>,
    arguments: Option<Params>,
    decided: Option<(i64, String)>,
    request: Option<String>,
    sanitised: Vec<String>,
}

/// Where a request goes.
#[derive(Clone)]
struct Place {
    connection: ConnectionId,
    server: String,
    kind: String,
    /// What must not be written down; nothing where that is not known.
    secrets: Option<Secrets>,
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
            email: None,
            client: None,
            session: None,
            place: None,
            tool: None,
            parent: None,
            arguments: None,
            decided: None,
            request: None,
            sanitised: Vec::new(),
        }
    }

    /// Notes who asks.
    pub(super) fn caller(&mut self, bearer: &VerifiedBearer) {
        self.principal = Some(bearer.principal().id.clone());
        self.email.clone_from(&bearer.standing().email);
        self.client = Some(bearer.client_id().clone());
    }

    /// Notes in which session.
    pub(super) fn session(&mut self, session: &Session) {
        self.session = Some(session.id().as_str().to_owned());
    }

    /// Notes which tool, prompt or resource is meant.
    pub(super) fn names(&mut self, name: &str) {
        self.tool = Some(name.to_owned());
    }

    /// Notes with which arguments.
    pub(super) fn asks(&mut self, arguments: Option<&Params>) {
        self.arguments = arguments.cloned();
    }

    /// Notes where it lies, and what must not be written down of it.
    pub(super) fn connection(&mut self, connection: &Connection, secrets: Option<Secrets>) {
        self.place = Some(Place {
            connection: connection.id.clone(),
            server: connection.server.clone(),
            kind: connection.server_kind.clone(),
            secrets,
        });
    }

    /// What must not be written down; `None` where that is not known.
    pub(super) fn secrets(&self) -> Option<&Secrets> {
        self.place.as_ref()?.secrets.as_ref()
    }

    /// Notes as part of which of the client's traces.
    pub(super) fn traced(&mut self, parent: Option<TraceParent>) {
        if let Some(parent) = parent {
            tracing::Span::current().record("trace", parent.trace());
            self.parent = Some(parent);
        }
    }

    /// Notes by which rule of which policy it was decided.
    pub(super) fn decided(&mut self, decided: Decided) {
        self.decided = Some((decided.version, decided.rule));
    }

    /// Notes what the decision stood on, sealed.
    pub(super) fn stands_on(&mut self, sealed: String) {
        self.request = Some(sealed);
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
        if let Some(email) = &self.email {
            event = event.known_as(email);
        }
        if let Some(client) = &self.client {
            event = event.through(client);
        }
        if let Some(session) = &self.session {
            event = event.in_session(session);
        }
        if let Some(place) = &self.place {
            event = event.at_connection(&place.connection).at_server(&place.kind);
        }
        if let Some(tool) = &self.tool {
            event = event.of_tool(tool);
        }
        if let Some((version, _)) = &self.decided {
            event = event.under_policy(&version.to_string());
        }
        let mut facts = self.facts();
        // The end of a call says nothing anew that its beginning said.
        let ends = self.action == Action::ToolCall && matches!(outcome, Outcome::Done | Outcome::Failed);
        if let Some(arguments) = self.arguments.as_ref().filter(|_| !ends) {
            let known = self.place.as_ref().is_none_or(|place| place.secrets.is_some());
            let kept = if known { Value::Object(arguments.clone()) } else { Value::from(NOT_KEPT) };
            facts.insert("arguments".to_owned(), kept);
        }
        if !facts.is_empty() {
            event = event.with(Value::Object(facts));
        }
        if ends { event } else { self.grounds(event) }
    }

    /// The event without what is secret, and with what the decision stood on.
    fn grounds(&self, mut event: Event) -> Event {
        if let Some(secrets) = self.secrets() {
            event = event.without(&secrets.texts());
        }
        match &self.request {
            Some(request) => event.standing_on(request.clone()),
            None => event,
        }
    }

    /// The further facts that every event of it tells.
    fn facts(&self) -> Params {
        let server = self.place.as_ref().map(|place| Value::from(place.server.clone()));
        let rule = self.decided.as_ref().map(|(_, rule)| Value::from(rule.clone()));
        let trace = self.parent.as_ref().map(TraceParent::describe);
        let sanitised = (!self.sanitised.is_empty()).then(|| Value::from(self.sanitised.clone()));
        let facts = [("server", server), ("rule", rule), ("trace", trace), ("sanitised", sanitised)];
        facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))).collect()
    }

    /// An event that tells how it ended: now, and with what sort of answer.
    pub(super) fn end(&self, gateway: &Inner, outcome: Outcome, kind: &'static str) -> Event {
        let now = gateway.clock.now();
        let took = now.micros().saturating_sub(self.now.micros()).max(0).unsigned_abs();
        self.event(now, outcome).taking(Duration::from_micros(took)).resulting(kind)
    }

    /// Notes a refusal.
    pub(super) async fn refused(&self, gateway: &Inner, refused: &Refusal) {
        self.without_result(gateway, Outcome::Refused, refused).await;
    }

    /// Notes why there is no result.
    pub(super) async fn without_result(&self, gateway: &Inner, outcome: Outcome, why: &Refusal) {
        let event = self.end(gateway, outcome, why.kind()).because(why.reason());
        gateway.trail.note(event.with(json!({ "is_error": true }))).await;
    }

    /// Notes a refusal and gives its answer.
    pub(super) async fn refuse(&self, gateway: &Inner, resource: &Resource, refused: &Refusal) -> Response {
        self.refused(gateway, refused).await;
        refused.respond((resource, gateway.possession.used()), self.era, self.id.as_ref())
    }
}
