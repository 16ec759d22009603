//! Upstream servers. Two doors: [`Upstreams::execute`], which takes nothing but what was permitted, and [`Discovery`], which
//! carries no user's arguments. Today's one upstream is the built-in sandbox.

mod lists;

use std::sync::Arc;
use std::time::Duration;

use portcullis_database::{ChangeFeed, DatabaseError};
use portcullis_oauth::Timestamp;
use tokio_util::task::TaskTracker;

use crate::connections::Connection;
use crate::errand::{Dispatch, Errand};
use crate::offer::{Kind, Listing, Offer};
use crate::policy::{Permitted, Trust};
use crate::relay::Secrets;
use crate::reply::Reply;
use crate::sandbox::{SERVER, Sandbox};
use lists::Lists;

/// A list waits no longer for one connection; what it asked for goes on and serves the next.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why something that was allowed gave no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something that the caller can mend; the text is for them.
    Told(String),
    /// Something inside; the caller learns a trace id, the log the cause.
    Inside(Box<dyn std::error::Error + Send + Sync>),
}

/// What an upstream answered, and what must not be in it.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Its result.
    pub(crate) reply: Reply,
    /// The secrets that it was reached with.
    pub(crate) secrets: Secrets,
}

impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        Self { reply, secrets: Secrets::default() }
    }
}

/// Why the offers of a connection are not known: a word for lists and logs.
pub(crate) type Missing = &'static str;

/// Every upstream that connections lead to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstreams {
    sandbox: Arc<Sandbox>,
    lists: Lists,
    tasks: TaskTracker,
}

impl Upstreams {
    /// The upstreams, of which the sandbox is always there. What is asked of them beside a request runs among `tasks`.
    pub(crate) fn new(sandbox: Sandbox, changes: ChangeFeed, tasks: TaskTracker) -> Self {
        Self { sandbox: Arc::new(sandbox), lists: Lists::new(changes), tasks }
    }

    /// How far the server of a connection is trusted.
    pub(crate) async fn trust(&self, connection: &Connection) -> Result<Trust, DatabaseError> {
        Ok(if connection.server == SERVER { Trust::Sandbox } else { Trust::None })
    }

    /// Runs what the policy allowed.
    pub(crate) async fn execute(&self, permitted: Permitted<Dispatch>) -> Result<Answered, Failure> {
        let Dispatch { connection, errand } = permitted.into_action();
        match errand {
            Errand::Tool { name, arguments } if connection.server == SERVER => {
                let said = self.sandbox.call(&connection.principal_id, &name, arguments).await?;
                Ok(Reply::from(said).into())
            }
            _ => Err(Failure::Inside(format!("no upstream server is called {}", connection.server).into())),
        }
    }

    /// The door for lists.
    pub(crate) fn discovery(&self) -> Discovery<'_> {
        Discovery(self)
    }

    async fn ask(&self, connection: &Connection, kind: Kind) -> Result<Listing, Missing> {
        match kind {
            Kind::Tools if connection.server == SERVER => {
                Ok(Listing::read(kind, &connection.alias, Sandbox::tools()))
            }
            _ if connection.server == SERVER => Ok(Listing::empty(kind)),
            _ => Err("unknown_server"),
        }
    }
}

/// Asks upstreams what they offer, on nobody's behalf and without arguments.
pub(crate) struct Discovery<'a>(&'a Upstreams);

impl Discovery<'_> {
    /// What a connection offers, in a stable order.
    pub(crate) async fn listing(
        &self,
        connection: &Connection,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Arc<Listing>, Missing> {
        if let Some(known) = self.0.lists.known(connection, kind, now) {
            return Ok(known);
        }
        let (upstreams, connection) = (self.0.clone(), connection.clone());
        let flight = self.0.tasks.spawn(async move {
            upstreams.lists.get(&connection, kind, now, upstreams.ask(&connection, kind)).await
        });
        match tokio::time::timeout(PATIENCE, flight).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("unavailable"),
            Err(_) => Err("slow"),
        }
    }

    /// What the lists call `name`: the upstream's own name, or that of the aggregate.
    pub(crate) async fn find(
        &self,
        connection: &Connection,
        (kind, own, name): (Kind, bool, &str),
        now: Timestamp,
    ) -> Result<Option<Arc<Offer>>, Missing> {
        Ok(self.listing(connection, kind, now).await?.find(own, name))
    }
}
