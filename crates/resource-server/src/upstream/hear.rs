//! What happens to upstreams beside requests: what they say by themselves, and what becomes of what is open to them when a
//! connection or its owner changes (T20).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_oauth::{ConnectionId, PrincipalId};
use portcullis_upstream::Heard;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::Upstreams;
use crate::bulletin::{News, Raw};
use crate::catalogue::Relays;
use crate::connections::{Connection, ConnectionStatus};
use crate::offer::{self, Kind};

/// What a connection's server says is told on once in so long: each time wakes every stream of everybody, while a person sees
/// no difference.
const PAUSE: Duration = Duration::from_millis(250);

/// Connections that were reached. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<HashMap<ConnectionId, Noted>>>);

/// What is known of one: whose it is, where it leads, and with which version of its credentials.
#[derive(Clone)]
struct Noted {
    owner: PrincipalId,
    server: String,
    version: i64,
    /// What its server was told that it may ask for, once it was told anything.
    relays: Option<Relays>,
    /// Whether the rights of its owner changed since it was noted, perhaps to none.
    is_barred: bool,
}

/// Whether a connection may still be reached by the way that was found to it, which may have taken long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It may.
    Open,
    /// What was open was ended meanwhile: it has to be looked for anew.
    Stale,
    /// On behalf of its owner nothing is begun that was not begun before.
    Barred,
}

impl Opened {
    /// Notes that a connection is about to be reached.
    pub(super) fn note(&self, connection: &Connection) {
        let mut known = self.known();
        let now = Noted {
            owner: connection.principal_id.clone(),
            server: connection.server.clone(),
            version: connection.credential_version,
            relays: known.get(&connection.id).and_then(|before| before.relays),
            is_barred: false,
        };
        known.insert(connection.id.clone(), now);
    }

    /// Notes what its server is told that it may ask for, if that still holds.
    pub(super) fn told(&self, connection: &Connection, relays: Relays) -> Way {
        let mut known = self.known();
        let noted = known.get_mut(&connection.id);
        let Some(noted) = noted.filter(|noted| noted.version == connection.credential_version) else {
            return Way::Stale;
        };
        if noted.is_barred {
            return Way::Barred;
        }
        noted.relays = Some(relays);
        Way::Open
    }

    fn of(&self, connection: &ConnectionId) -> Option<Noted> {
        self.known().get(connection).cloned()
    }

    /// Forgets those of which this is so, and names them.
    fn take(&self, which: impl Fn(&ConnectionId, &Noted) -> bool) -> Vec<ConnectionId> {
        self.known().extract_if(|id, noted| which(id, noted)).map(|(id, _)| id).collect()
    }

    /// Names those of an owner whose rights changed, and bars who is on the way to them.
    fn bar(&self, owner: &PrincipalId) -> Vec<ConnectionId> {
        let mut known = self.known();
        let theirs = known.iter_mut().filter(|(_, noted)| noted.owner == *owner);
        theirs.map(|(id, noted)| (noted.is_barred = true, id.clone()).1).collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ConnectionId, Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstreams {
    /// Listens to upstreams and to changes until it is dropped, and tells open streams.
    pub(crate) async fn hear(&self) {
        let (mut changes, mut pauses) = (self.bulletin.raw(), Pauses::default());
        loop {
            let first = pauses.first();
            tokio::select! {
                heard = self.pool.heard(|key| pauses.admit(connection(key))) => {
                    for heard in heard {
                        self.said(heard);
                    }
                }
                // What waited for this is wanted now.
                () = sleep_until(first.unwrap_or_else(Instant::now)), if first.is_some() => {}
                change = changes.recv() => match change {
                    Ok(Raw::Connection(connection)) => self.changed(&connection).await,
                    Ok(Raw::Server(slug)) => self.server_changed(&slug).await,
                    // Rights changed, perhaps to none: what is open on somebody's behalf ends, and opens again if it may.
                    Ok(Raw::User(owner)) => self.end_all_of(self.opened.bar(&owner)),
                    // Whatever it was, it may concern any of them.
                    Ok(Raw::Missed) | Err(RecvError::Lagged(_)) => self.end_those(|_, _| true),
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// An upstream said that something changed.
    fn said(&self, heard: Heard) {
        let id = ConnectionId::from(connection(&heard.key).to_owned());
        let is_wanted = |uri: &String| offer::is_address(uri) && self.watches.want(&id, uri);
        let updated: Vec<String> = heard.updated.into_iter().filter(is_wanted).collect();
        if !updated.is_empty() {
            self.bulletin.tell(News::Updated(id.clone(), updated.into()));
        }
        let lists =
            [(heard.tools, Kind::Tools), (heard.prompts, Kind::Prompts), (heard.resources, Kind::Resources)];
        if lists.iter().any(|(is_changed, _)| *is_changed) {
            self.lists.forget(&id);
        }
        let owner = self.opened.of(&id).map(|noted| noted.owner);
        for (_, kind) in lists.into_iter().filter(|(is_changed, _)| *is_changed) {
            self.bulletin.tell(News::Lists(id.clone(), owner.clone(), Some(kind)));
        }
    }

    /// A connection changed: what is open with credentials that it has no more ends, and so does everything of one that
    /// is switched off or gone.
    async fn changed(&self, id: &ConnectionId) {
        let connection = match self.health.find(id).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(cause = ?error, "a connection that changed could not be read; what is open there ends");
                self.end_those(|opened, _| opened == id);
                self.watches.stir(id);
                // Not that it is gone, which nobody knows.
                return self.bulletin.tell(News::Unheard);
            }
        };
        let live = connection.as_ref().filter(|now| now.status != ConnectionStatus::Disabled);
        let version = live.map(|now| now.credential_version);
        self.end_those(|opened, noted| opened == id && version != Some(noted.version));
        // One that can be reached again is listened to at once.
        self.watches.stir(id);
        let owner = connection.map(|connection| connection.principal_id);
        self.bulletin.tell(News::Lists(id.clone(), owner, None));
    }

    /// The catalogue changed: what is open to a server that is switched off or gone ends, and so does what was opened when it
    /// might ask for something else.
    async fn server_changed(&self, slug: &str) {
        let may = match self.reach.offered(slug).await {
            Ok(may) => may,
            Err(error) => {
                tracing::warn!(cause = ?error, "a server that changed could not be read; what is open there ends");
                None
            }
        };
        self.end_those(|_, noted| noted.server == slug && (may.is_none() || noted.relays != may));
    }

    fn end_those(&self, which: impl Fn(&ConnectionId, &Noted) -> bool) {
        self.end_all_of(self.opened.take(which));
    }

    /// Ends what is open to these connections. Nobody waits for it: a server may take its time to close.
    fn end_all_of(&self, connections: Vec<ConnectionId>) {
        for connection in connections {
            // Now, so that nothing ends that is opened afterwards.
            let (ended, upstreams) = (self.end(&connection), self.clone());
            self.tasks.spawn(async move {
                ended.await;
                upstreams.watches.miss(&connection);
            });
        }
    }
}

/// The connection that the key of an endpoint begins with.
fn connection(key: &str) -> &str {
    key.split_once('/').map_or(key, |(connection, _)| connection)
}

/// The connections that were told of just now, and until when nothing more is told of them.
#[derive(Default)]
struct Pauses(HashMap<String, Instant>);

impl Pauses {
    /// Whether something is told of a connection now; then nothing more is for a while.
    fn admit(&mut self, connection: &str) -> bool {
        let now = Instant::now();
        if self.0.get(connection).is_some_and(|until| now < *until) {
            return false;
        }
        self.0.insert(connection.to_owned(), now + PAUSE);
        true
    }

    /// When the first one ends, if there is any.
    fn first(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.0.retain(|_, until| now < *until);
        self.0.values().min().copied()
    }
}
