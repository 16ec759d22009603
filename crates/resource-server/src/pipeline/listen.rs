//! Streams of changes: `GET` in the era of sessions, `subscriptions/listen` in the stateless one. A stream tells of what its
//! caller may see and of nothing else, and ends with the authorization that opened it (HTTP26-21, MCP-AUTH-8, T20).

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use portcullis_oauth::scopes::{RESOURCES_READ, TOOLS_READ};
use portcullis_oauth::{Alias, ApprovalId, ConnectionId, ScopeSet, Verifier};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::interval;

use super::exchange::{alive, event, stream};
use super::list::reached;
use super::{Caller, session};
use crate::approvals::{ApprovalState, Hearing, Inbox, Piece};
use crate::bulletin::News;
use crate::envelope::Id;
use crate::protocol::Revision;
use crate::refusal::Refusal;
use crate::session::Session;

/// So often a stream looks whether it may go on, and says that it is alive.
const BEAT: Duration = Duration::from_secs(3);
/// So many events wait for a client that reads slowly.
const WAITING: usize = 64;
/// So many addresses are remembered as done: more than wait for one person at a time.
const DONE: usize = 32;
/// What tells notifications of one stream from those of another (2026-07-28, "Subscriptions").
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// What a stream tells of: lists, by their capability. Single resources are not watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    kinds: Vec<&'static str>,
}

impl Wanted {
    /// Every list.
    pub(super) fn lists() -> Self {
        Self { kinds: LISTS.iter().map(|(capability, _)| *capability).collect() }
    }

    /// What a filter asks for.
    pub(crate) fn read(filter: &Map<String, Value>) -> Self {
        let wants = |member: &str| filter.get(member) == Some(&Value::Bool(true));
        let kinds =
            LISTS.iter().filter(|(_, member)| wants(member)).map(|(capability, _)| *capability).collect();
        Self { kinds }
    }

    /// Every scope that is needed to hear of it.
    pub(crate) fn scope(&self) -> ScopeSet {
        let resources = self.kinds.contains(&"resources");
        let tools = self.kinds.iter().any(|kind| *kind != "resources");
        let needed = [(tools, TOOLS_READ), (resources, RESOURCES_READ)];
        needed.into_iter().filter(|(needed, _)| *needed).map(|(_, scope)| scope).collect()
    }

    /// The same without what a token does not cover.
    fn covered(mut self, held: &ScopeSet) -> Self {
        self.kinds
            .retain(|kind| held.contains(if *kind == "resources" { RESOURCES_READ } else { TOOLS_READ }));
        self
    }

    /// The filter that is honoured.
    fn honoured(&self) -> Value {
        let mut filter = Map::new();
        for (capability, member) in LISTS {
            if self.kinds.contains(&capability) {
                filter.insert(member.to_owned(), Value::Bool(true));
            }
        }
        Value::Object(filter)
    }
}

/// The lists by their capability, and the member of a filter that asks for them.
const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];

/// Opens a stream, for the request `id` in the era that has one.
pub(super) async fn open(caller: Caller, wanted: Wanted, id: Option<Id>) -> Result<Response, Refusal> {
    // From this moment on, not from when the work below begins.
    let heard = (caller.gateway.bulletin.read(), caller.gateway.approvals.hear());
    let wanted = wanted.covered(&caller.bearer.effective_scope());
    let known = reached(&caller).await?;
    let watched = known.iter().map(|connection| caller.gateway.upstreams.watch(connection)).collect();
    let known = known.into_iter().map(|connection| (connection.id, connection.alias)).collect();
    let (events, body) = mpsc::channel(WAITING);
    let teller = Teller { caller: caller.clone(), wanted, id, known, done: VecDeque::new(), events };
    caller.gateway.streams.spawn(teller.tell(heard, watched));
    Ok(stream(body))
}

/// Tells one client.
struct Teller {
    caller: Caller,
    wanted: Wanted,
    id: Option<Id>,
    known: HashMap<ConnectionId, Alias>,
    /// The addresses of which it was told already: news of one approval comes more than once.
    done: VecDeque<ApprovalId>,
    events: mpsc::Sender<Result<Bytes, Infallible>>,
}

/// The client has gone, or may not hear more.
struct Over;

impl Teller {
    async fn tell(
        mut self,
        (mut news, mut approvals): (tokio::sync::broadcast::Receiver<News>, Hearing),
        watched: Vec<crate::upstream::Watch>,
    ) {
        if let Some(id) = &self.id {
            let acknowledged = message(
                "notifications/subscriptions/acknowledged",
                &json!({"notifications": self.wanted.honoured(), "_meta": {SUBSCRIPTION: id.as_value()}}),
            );
            if self.events.send(Ok(event(&acknowledged))).await.is_err() {
                return;
            }
        }
        let closing = self.caller.gateway.closing.clone();
        let mut beat = interval(BEAT);
        beat.tick().await;
        loop {
            let went_on = tokio::select! {
                () = self.events.closed() => return,
                () = closing.cancelled() => return,
                heard = news.recv() => match heard {
                    Ok(piece) => self.about(piece).await,
                    Err(RecvError::Lagged(_)) => self.everything().await,
                    Err(RecvError::Closed) => return,
                },
                Some(piece) = approvals.next(), if self.hears_of_addresses() => self.decided(piece).await,
                _ = beat.tick() => self.still_allowed().await,
            };
            if went_on.is_err() {
                break;
            }
        }
        drop(watched);
    }

    async fn about(&mut self, piece: News) -> Result<(), Over> {
        match piece {
            News::Rights => self.still_allowed().await,
            News::Lists(connection, owner, kind) => {
                if !self.concerns(&connection, owner.as_ref()).await {
                    return Ok(());
                }
                match kind {
                    Some(kind) => self.changed(kind.capability()).await,
                    None => self.everything().await,
                }
            }
        }
    }

    /// Whether a connection is one that this caller's lists show, or showed.
    async fn concerns(
        &mut self,
        connection: &ConnectionId,
        owner: Option<&portcullis_oauth::PrincipalId>,
    ) -> bool {
        let before = self.known.contains_key(connection);
        let own = owner.is_none_or(|owner| *owner == self.caller.bearer.principal().id);
        if !own || !before && owner.is_none() {
            return before;
        }
        let now = reached(&self.caller).await.unwrap_or_default();
        self.known = now.into_iter().map(|connection| (connection.id, connection.alias)).collect();
        before || self.known.contains_key(connection)
    }

    /// Whether its client was sent to addresses with an error, and waits to hear that it is done there (ELIC-8).
    fn hears_of_addresses(&self) -> bool {
        let session = self.caller.session.as_ref();
        session
            .is_some_and(|session| session.revision() == Some(Revision::V2025_11_25) && session.asking().urls)
    }

    /// Tells that an approval was decided which this very session asked for.
    async fn decided(&mut self, piece: Piece) -> Result<(), Over> {
        let who = &self.caller.bearer.principal().id;
        let Piece::Of(id, _) = piece else { return Ok(()) };
        if self.done.contains(&id) {
            return Ok(());
        }
        let inbox = Inbox { who: Some(who), approver: false };
        let Ok(Some(approval)) = self.caller.gateway.approvals.find(&id, inbox).await else { return Ok(()) };
        let asked_here = approval.session.as_ref() == self.caller.session.as_ref().map(Session::id);
        let is_decided = matches!(approval.state, ApprovalState::Approved | ApprovalState::Denied);
        if !(asked_here && is_decided) {
            return Ok(());
        }
        self.say("notifications/elicitation/complete", json!({ "elicitationId": id })).await?;
        self.done.push_back(id);
        if self.done.len() > DONE {
            self.done.pop_front();
        }
        Ok(())
    }

    async fn everything(&self) -> Result<(), Over> {
        for (capability, _) in LISTS {
            self.changed(capability).await?;
        }
        Ok(())
    }

    async fn changed(&self, capability: &'static str) -> Result<(), Over> {
        if !self.wanted.kinds.contains(&capability) {
            return Ok(());
        }
        self.say(&format!("notifications/{capability}/list_changed"), json!({})).await
    }

    async fn say(&self, method: &str, mut params: Value) -> Result<(), Over> {
        if let Some(id) = &self.id {
            params["_meta"][SUBSCRIPTION] = id.as_value().clone();
        }
        self.events.send(Ok(event(&message(method, &params)))).await.map_err(|_| Over)
    }

    /// The token is live, and the session, if there is one; else the stream ends.
    async fn still_allowed(&self) -> Result<(), Over> {
        let gateway = &self.caller.gateway;
        let now = gateway.clock.now();
        let resource = &self.caller.resource.uri;
        gateway.bearers.verify(&self.caller.token, resource, now).await.map_err(|_| Over)?;
        if let Some(session) = &self.caller.session {
            session::still(&self.caller, session, now).await.map_err(|_| Over)?;
        }
        self.events.send(Ok(alive())).await.map_err(|_| Over)
    }
}

fn message(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}
