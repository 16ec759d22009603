//! Streams of changes: `GET` in the era of sessions, `subscriptions/listen` in the stateless one. A stream tells of what its
//! caller may see and of nothing else, and ends with the authorization that opened it (HTTP26-21, MCP-AUTH-8, T20). Of single
//! resources it tells those that its session or its filter names.

mod following;
mod wanted;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use portcullis_audit::trace;
use portcullis_oauth::{Alias, ApprovalId, ConnectionId};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};

use super::case::Case;
use super::exchange::{alive, event, stream};
use super::list::reached;
use super::{Caller, subscribe, token};
use crate::approvals::{ApprovalState, Hearing, Inbox, Piece};
use crate::bulletin::News;
use crate::envelope::Id;
use crate::places::Place;
use crate::protocol::Revision;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::upstream::Watch;
use following::Following;
use wanted::LISTS;
pub(crate) use wanted::Wanted;

/// So often a stream looks whether it may go on, and says that it is alive.
const BEAT: Duration = Duration::from_secs(3);
/// So many events wait for a client that reads slowly.
const WAITING: usize = 64;
/// So often it is waited a beat for one that reads none of them; then it has gone, though nothing says so.
const PATIENT: usize = 20;
/// So many addresses are remembered as done: more than wait for one person at a time.
const DONE: usize = 32;
/// After so many beats what could not be watched is tried again, if nothing said before that it could.
const TRIED: u32 = 10;
/// What tells notifications of one stream from those of another (2026-07-28, "Subscriptions").
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Opens a stream, for the request `id` in the era that has one.
pub(super) async fn open(
    caller: Caller,
    wanted: Wanted,
    (case, id): (&Case, Option<Id>),
) -> Result<Response, Refusal> {
    let full = || {
        let why = "so many streams are open that there is no room for this one: close another";
        Refusal::transport("streams_full", StatusCode::TOO_MANY_REQUESTS, why)
    };
    let place = caller.gateway.open_streams.take(&caller.bearer.principal().id).ok_or_else(full)?;
    // From this moment on, not from when the work below begins.
    let heard = (caller.gateway.bulletin.read(), caller.gateway.approvals.hear());
    let wanted = wanted.covered(&caller.bearer.effective_scope());
    let known = reached(&caller).await?;
    let watched: Vec<_> = known.iter().map(|connection| caller.gateway.upstreams.watch(connection)).collect();
    let known = known.into_iter().map(|connection| (connection.id, connection.alias)).collect();
    let (events, body) = mpsc::channel(WAITING);
    let (case, following, done) = (case.clone(), Following::default(), VecDeque::new());
    let is_behind = caller.session.is_some();
    let teller = Teller {
        caller: caller.clone(),
        case,
        wanted,
        id,
        known,
        following,
        is_behind,
        beats: 0,
        done,
        events,
    };
    // Rules may look at where the request came from.
    caller.gateway.streams.spawn(trace::carry(teller.tell(heard, (place, watched))));
    Ok(stream(body))
}

/// Tells one client.
struct Teller {
    caller: Caller,
    /// The request that opened the stream.
    case: Case,
    wanted: Wanted,
    id: Option<Id>,
    known: HashMap<ConnectionId, Alias>,
    following: Following,
    /// Whether what the session watches has to be read.
    is_behind: bool,
    /// How often nothing happened.
    beats: u32,
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
        held: (Place, Vec<Watch>),
    ) {
        let (closing, events) = (self.caller.gateway.closing.clone(), self.events.clone());
        let begun = tokio::select! {
            biased;
            () = events.closed() => return,
            () = closing.cancelled() => return,
            begun = self.begin() => begun,
        };
        if begun.is_err() {
            return;
        }
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
                _ = beat.tick() => self.goes_on().await,
            };
            if went_on.is_err() {
                break;
            }
        }
        drop(held);
    }

    /// In the stateless era the stream says first of what it tells.
    async fn begin(&mut self) -> Result<(), Over> {
        self.catch_up().await;
        if self.id.is_none() {
            return Ok(());
        }
        let (caller, case, uris) = (self.caller.clone(), self.case.clone(), self.wanted.uris.clone());
        let beginning = Following::begin(&caller, &case, &uris);
        tokio::pin!(beginning);
        let mut beat = interval(BEAT);
        // Servers take their time, and rights end meanwhile. The first beat is at once.
        self.following = loop {
            tokio::select! {
                biased;
                following = &mut beginning => break following,
                _ = beat.tick() => self.look_again().await?,
            }
        };
        self.look_again().await?;
        let filter = self.wanted.honoured(&self.following.uris());
        self.say("notifications/subscriptions/acknowledged", json!({ "notifications": filter })).await
    }

    async fn about(&mut self, piece: News) -> Result<(), Over> {
        match piece {
            News::Rights => self.still_allowed().await,
            News::Unheard => self.everything().await,
            News::Updated(connection, own) => {
                let known: Vec<String> =
                    own.iter().filter_map(|own| self.following.name_of(&connection, own)).collect();
                for uri in known {
                    self.updated(&connection, uri).await?;
                }
                Ok(())
            }
            News::Session(which) => {
                let own = self.caller.session.as_ref().map(|session| session.id().as_str());
                if own.is_none() || which.is_some_and(|which| Some(which.as_str()) != own) {
                    return Ok(());
                }
                self.is_behind = true;
                self.still_allowed().await
            }
            News::Lists(connection, owner, kind) => {
                if !self.concerns(&connection, owner.as_ref()).await {
                    return Ok(());
                }
                if let Some(kind) = kind {
                    return self.changed(kind.capability()).await;
                }
                // What a session watches of a connection goes with it.
                self.is_behind = self.caller.session.is_some();
                self.catch_up().await;
                self.lists().await
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

    /// Whatever it was that was missed.
    async fn everything(&mut self) -> Result<(), Over> {
        self.is_behind = self.caller.session.is_some();
        self.still_allowed().await?;
        self.lists().await?;
        for (connection, uri) in self.following.all() {
            self.updated(&connection, uri).await?;
        }
        Ok(())
    }

    async fn lists(&mut self) -> Result<(), Over> {
        for (capability, _) in LISTS {
            self.changed(capability).await?;
        }
        Ok(())
    }

    async fn changed(&mut self, capability: &'static str) -> Result<(), Over> {
        if !self.wanted.has(capability) {
            return Ok(());
        }
        self.say(&format!("notifications/{capability}/list_changed"), json!({})).await
    }

    /// A resource changed that is watched. Whether the caller may hear so is asked now (T20).
    async fn updated(&mut self, connection: &ConnectionId, uri: String) -> Result<(), Over> {
        self.look_again().await?;
        if subscribe::may_hear(&self.caller, &self.case, (connection, &uri)).await {
            self.say("notifications/resources/updated", json!({ "uri": uri })).await?;
        }
        Ok(())
    }

    async fn say(&mut self, method: &str, mut params: Value) -> Result<(), Over> {
        if let Some(id) = &self.id {
            params["_meta"][SUBSCRIPTION] = id.as_value().clone();
        }
        self.send(event(&message(method, &params))).await
    }

    /// Sends to a client that may read slowly: meanwhile its rights may end, and it is not waited for without end.
    async fn send(&mut self, piece: Bytes) -> Result<(), Over> {
        for _ in 0..PATIENT {
            if let Ok(room) = timeout(BEAT, self.events.reserve()).await {
                room.map_err(|_| Over)?.send(Ok(piece));
                return Ok(());
            }
            self.look_again().await?;
        }
        Err(Over)
    }

    /// The token is live, and the session, if there is one; else the stream ends.
    async fn look_again(&mut self) -> Result<(), Over> {
        let now = self.caller.gateway.clock.now();
        // What the grant reaches may be another by now.
        self.caller = token::again(&self.caller, now).await.map_err(|_| Over)?;
        Ok(())
    }

    /// Something may be otherwise by now.
    async fn still_allowed(&mut self) -> Result<(), Over> {
        self.look_again().await?;
        self.catch_up().await;
        self.send(alive()).await
    }

    /// Nothing happened for a while. What could not be watched is tried again, but not each time.
    async fn goes_on(&mut self) -> Result<(), Over> {
        self.beats += 1;
        if self.is_behind || self.beats.is_multiple_of(TRIED) {
            return self.still_allowed().await;
        }
        self.look_again().await?;
        self.send(alive()).await
    }

    /// Watches what the session watches, if that may be something else by now, and what could not be watched before.
    async fn catch_up(&mut self) {
        if let Some(session) = self.caller.session.as_ref().filter(|_| self.is_behind) {
            match self.caller.gateway.sessions.subscriptions(session).await {
                Ok(watched) => {
                    self.is_behind = false;
                    self.following.become_those(watched);
                }
                Err(error) => {
                    tracing::warn!(cause = ?error, "what a session watches could not be read; it is tried again");
                }
            }
        }
        self.following.try_again(&self.caller, &self.case).await;
    }
}

fn message(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}
