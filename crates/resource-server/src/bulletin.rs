//! What open streams are told: that a connection's lists changed, or one of its resources, what a session wants to be told
//! of, or somebody's rights. What is missed is never lost: a list is asked for again, a resource that may have changed is
//! told of as if it had, and rights are looked at every few seconds.

use std::sync::Arc;

use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener};
use portcullis_oauth::{ConnectionId, PrincipalId};
use tokio::sync::broadcast;

use crate::offer::Kind;

/// So much news waits for a slow reader; more makes it look for itself.
const WAITING: usize = 256;

/// One piece of news.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A connection offers something else; its owner, unless it is gone, and which lists, if that is known.
    Lists(ConnectionId, Option<PrincipalId>, Option<Kind>),
    /// Resources of a connection changed, or may have; under the upstream's own names. However many, they are one piece, so that
    /// they crowd out nothing else.
    Updated(ConnectionId, Arc<[String]>),
    /// A session ended, or wants to be told of something else, by the hash of its id; or any may have.
    Session(Option<String>),
    /// A connection changed, and nobody could look how: any of the lists and of the resources may be another.
    Unheard,
    /// Somebody may do more or less than before.
    Rights,
}

/// Something that changed and is not understood yet.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    /// A connection.
    Connection(ConnectionId),
    /// A user, by the principal.
    User(PrincipalId),
    /// A server of the catalogue, by its slug.
    Server(String),
    /// Something, while nobody could look.
    Missed,
}

/// The board. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bulletin {
    news: broadcast::Sender<News>,
    raw: broadcast::Sender<Raw>,
}

impl Default for Bulletin {
    fn default() -> Self {
        Self { news: broadcast::channel(WAITING).0, raw: broadcast::channel(WAITING).0 }
    }
}

impl Bulletin {
    /// Lets `changes` write on it.
    pub(crate) fn follow(&self, changes: &ChangeFeed) {
        changes.subscribe(Arc::new(Write(self.clone())));
    }

    /// Everything from now on.
    pub(crate) fn read(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// What changed and somebody has to look at first.
    pub(crate) fn raw(&self) -> broadcast::Receiver<Raw> {
        self.raw.subscribe()
    }

    /// Tells.
    pub(crate) fn tell(&self, news: News) {
        // Nobody may be reading.
        drop(self.news.send(news));
    }
}

struct Write(Bulletin);

impl ChangeListener for Write {
    fn changed(&self, change: &Change) {
        let subject = || change.subject.clone();
        match change.kind {
            ChangeKind::Connection => drop(self.0.raw.send(Raw::Connection(ConnectionId::from(subject())))),
            ChangeKind::User => {
                drop(self.0.raw.send(Raw::User(PrincipalId::from(subject()))));
                self.0.tell(News::Rights);
            }
            ChangeKind::Server => {
                drop(self.0.raw.send(Raw::Server(subject())));
                self.0.tell(News::Rights);
            }
            ChangeKind::McpSession => self.0.tell(News::Session(Some(subject()))),
            // It has a board of its own, and changes nobody's rights.
            ChangeKind::Approval => {}
            _ => self.0.tell(News::Rights),
        }
    }

    fn missed(&self) {
        drop(self.0.raw.send(Raw::Missed));
        self.0.tell(News::Rights);
        self.0.tell(News::Session(None));
    }
}
