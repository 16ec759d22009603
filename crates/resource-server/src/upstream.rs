//! Upstream servers. Two doors: [`Upstreams::execute`], which takes nothing but what was permitted, and [`Discovery`], which
//! carries no user's arguments. The built-in sandbox is one of them; every other is reached through the pool.

mod discovery;
mod failure;
mod health;
mod hear;
mod lists;
mod probe;
mod rounds;
mod subscribe;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use portcullis_database::{ChangeFeed, DatabaseError};
use portcullis_oauth::{ConnectionId, PublicUrl};
use portcullis_upstream::{Failure as Wire, Pool, Request, Revision};
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio_util::task::TaskTracker;

use crate::bulletin::Bulletin;
use crate::catalogue::Relays;
use crate::connections::{Connection, Connections};
use crate::errand::{Dispatch, Errand, Params};
use crate::line::{End, Line};
use crate::pins::Pins;
use crate::policy::{Permitted, Trust};
use crate::reach::{Asking, Reach, Reached, Unreached};
use crate::relay::{Origin, Secrets};
use crate::reply::Reply;
use crate::round;
use crate::sandbox::{SERVER, Sandbox};
pub(crate) use discovery::Discovery;
pub(crate) use failure::Failure;
use health::Health;
use hear::{Opened, Way};
use lists::Lists;
use watch::Watches;
pub(crate) use watch::{Eye, Watch};

/// Of so many connections it is remembered what their servers can do.
const CAPACITY: u64 = 10_000;
/// A server asks back so often at most.
const ROUNDS: usize = 8;
/// A request takes no longer, whatever its server says and asks meanwhile.
const LONGEST: Duration = Duration::from_mins(10);

/// What upstreams are made of.
pub(crate) struct Parts {
    /// The built-in one.
    pub(crate) sandbox: Sandbox,
    /// The way to the others.
    pub(crate) reach: Reach,
    /// The wire.
    pub(crate) pool: Pool,
    /// Where it is kept how connections stand.
    pub(crate) connections: Connections,
    /// Where it is kept what was accepted of their tools.
    pub(crate) pins: Pins,
    /// Who tells what changed.
    pub(crate) changes: ChangeFeed,
    /// Who tells open streams.
    pub(crate) bulletin: Bulletin,
    /// Among which work runs that nobody waits for.
    pub(crate) tasks: TaskTracker,
    /// Where people find us.
    pub(crate) public_url: PublicUrl,
}

/// Whether the server of a connection is known to ask at the end of a round, and never in the middle of a request.
fn has_rounds(connection: &Connection) -> bool {
    connection.revision.as_deref() == Some(Revision::V2026_07_28.as_str())
}

/// What is declared where lists are asked for, which are the same for every client. Servers with sessions show some of their
/// tools only to those who say that they can be asked; nobody is asked while a list is read.
fn who_lists(connection: &Connection) -> Asking {
    if has_rounds(connection) { Asking::NOTHING } else { Asking::ANYBODY }
}

/// Every upstream that connections lead to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstreams {
    sandbox: Arc<Sandbox>,
    reach: Reach,
    pool: Pool,
    health: Health,
    pins: Pins,
    lists: Lists,
    opened: Opened,
    watches: Watches,
    /// Whether servers said that they tell when single resources change.
    tell: Cache<ConnectionId, bool>,
    bulletin: Bulletin,
    tasks: TaskTracker,
    public_url: PublicUrl,
}

/// Why the offers of a connection are not known: a word for lists and logs.
pub(crate) type Missing = &'static str;

/// What an upstream answered, and what must not be in it.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Its result.
    pub(crate) reply: Reply,
    /// The secrets that it was reached with.
    pub(crate) secrets: Secrets,
    /// What it may ask clients for.
    pub(crate) relays: Relays,
}

impl Upstreams {
    /// The upstreams.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            sandbox: Arc::new(parts.sandbox),
            reach: parts.reach,
            pool: parts.pool,
            health: Health::new(parts.connections),
            pins: parts.pins,
            lists: Lists::new(parts.changes),
            opened: Opened::default(),
            watches: Watches::default(),
            tell: Cache::new(CAPACITY),
            bulletin: parts.bulletin,
            tasks: parts.tasks,
            public_url: parts.public_url,
        }
    }

    /// How far the server of a connection is trusted.
    pub(crate) async fn trust(&self, connection: &Connection) -> Result<Trust, DatabaseError> {
        let is_listed = connection.server != SERVER;
        let server = if is_listed { self.reach.server(connection).await? } else { None };
        Ok(Trust::of(connection, server.as_deref()))
    }

    /// What the server of a connection may ask clients for by now.
    pub(crate) async fn relays(&self, connection: &Connection) -> Result<Relays, DatabaseError> {
        Ok(self.reach.offered(&connection.server).await?.unwrap_or_default())
    }

    /// What must not be written down of a call through `connection`; nothing where that cannot be said.
    pub(crate) async fn secrets(&self, connection: &Connection) -> Option<Secrets> {
        if connection.server == SERVER {
            return Some(Secrets::default());
        }
        self.reach.secrets(connection).await.ok()
    }

    /// Runs what the policy allowed; what is said and asked meanwhile goes over `line`.
    pub(crate) async fn execute(
        &self,
        permitted: Permitted<Dispatch>,
        line: &Line,
        origin: &Origin,
    ) -> Result<Answered, Failure> {
        let Dispatch { connection, errand, extras } = permitted.into_action();
        if connection.server == SERVER {
            return self.in_sandbox(&connection, errand).await;
        }
        let (method, params) = (errand.method(), errand.into_params());
        let (mut connection, mut extras) = (connection, extras);
        for _ in 0..ROUNDS {
            let round = extras.clone().into_params(params.clone());
            // Boxed: what goes over the wire is large, and the future of a call is moved about.
            let answered = Box::pin(self.once(&connection, (method, round), line, origin)).await?;
            // A client of the stateless era is asked with the result, any other in the middle of its request.
            if !(round::asks_back(&answered.reply) && line.asks_in_between()) {
                return Ok(answered);
            }
            let (now, next) = Box::pin(self.bridge(&connection, &answered, (line, origin, extras))).await?;
            (connection, extras) = (Arc::new(now), next);
        }
        Err(Failure::not_a_result(&connection))
    }

    /// One round of a request.
    async fn once(
        &self,
        connection: &Connection,
        (method, params): (&'static str, Params),
        line: &Line,
        origin: &Origin,
    ) -> Result<Answered, Failure> {
        let params = to_raw_value(&Value::Object(params)).map_err(|error| Failure::Inside(error.into()))?;
        let ask = |reached: Arc<Reached>| {
            let end = Arc::new(self.end_of(line, origin, (&reached.secrets, reached.relays)));
            let request = Request::new(method).with(params.clone()).within(LONGEST).telling(end);
            async move { self.pool.request(&reached.endpoint, request).await }
        };
        // A server of the era of sessions would ask in between, which a client of the stateless one cannot be.
        let asking =
            if line.asks_in_between() || has_rounds(connection) { line.able() } else { Asking::NOTHING };
        let (raw, reached) = self.reaching(connection, asking, ask).await?;
        let reply = Reply::read(&raw).ok_or_else(|| Failure::not_a_result(connection))?;
        Ok(Answered { reply, secrets: reached.secrets.clone(), relays: reached.relays })
    }

    fn end_of(&self, line: &Line, origin: &Origin, (secrets, relays): (&Secrets, Relays)) -> End {
        let (line, origin, gateway) = (line.clone(), origin.clone(), self.public_url.clone());
        End { line, origin, secrets: secrets.clone(), relays, gateway }
    }

    /// The door for lists.
    pub(crate) fn discovery(&self) -> Discovery<'_> {
        Discovery(self)
    }

    /// Ends what is open and was not used for a while.
    pub(crate) async fn sweep(&self) {
        self.pool.sweep().await;
    }

    /// Ends everything that is open.
    pub(crate) async fn end_all(&self) {
        self.pool.end_all().await;
    }

    /// Ends what is open to the server of a connection: sessions, children, and what is under way there.
    pub(crate) fn end(&self, connection: &ConnectionId) -> impl Future<Output = ()> + Send + use<> {
        self.pool.end(&format!("{connection}/"))
    }

    /// Asks the server of a connection, and learns from the answer how the connection stands. A token that was refused is
    /// renewed once: who refuses it did nothing.
    async fn reaching<T, Answer: Future<Output = Result<T, Wire>> + Send>(
        &self,
        connection: &Connection,
        asking: Asking,
        ask: impl Fn(Arc<Reached>) -> Answer,
    ) -> Result<(T, Arc<Reached>), Failure> {
        for last in [false, true] {
            let reached = match self.way(connection, asking).await {
                Ok(reached) => Arc::new(reached),
                Err(why) => return Err(self.unreached(connection, why).await),
            };
            match ask(Arc::clone(&reached)).await {
                Ok(answer) => {
                    self.health.well(connection).await;
                    return Ok((answer, reached));
                }
                Err(Wire::Unauthorized { .. }) if !last && reached.token.is_some() => {
                    let Some(token) = &reached.token else { continue };
                    if let Err(why) = self.reach.refused(connection, token).await {
                        return Err(self.unreached(connection, why).await);
                    }
                }
                Err(Wire::InsufficientScope { challenge }) if reached.token.is_some() => {
                    // One operation wants more; the connection stands as it stood.
                    return Err(match self.reach.insufficient(connection, &challenge).await {
                        Unreached::NeedsOwner(code, words) => {
                            Failure::needs_owner(connection, (code, &words), &self.public_url)
                        }
                        why => self.unreached(connection, why).await,
                    });
                }
                Err(failure) => {
                    self.health.failed(connection, &failure, &reached.secrets).await;
                    return Err(Failure::of(failure, connection, (&self.public_url, &reached.secrets)));
                }
            }
        }
        Err(Failure::Inside("a connection was asked twice and did neither".into()))
    }

    /// The way to the server of a connection, as it was found while nothing took the right to it away: that may have taken as
    /// long as a server likes, which gives out tokens.
    async fn way(&self, connection: &Connection, asking: Asking) -> Result<Reached, Unreached> {
        let later = |words: &str| Err(Unreached::Later(words.to_owned()));
        loop {
            // Noted before it is looked at, so that nothing falls in between.
            self.opened.note(connection);
            if !self.health.is_still(connection).await.map_err(|error| Unreached::Inside(error.into()))? {
                return later("the connection was changed or switched off just now");
            }
            let reached = self.reach.endpoint(connection, asking).await?;
            match self.opened.told(connection, reached.relays) {
                Way::Open => return Ok(reached),
                Way::Stale => {}
                Way::Barred => return later("the rights of its owner changed just now"),
            }
        }
    }

    async fn unreached(&self, connection: &Connection, why: Unreached) -> Failure {
        match why {
            Unreached::NeedsOwner(code, words) => {
                self.health.needs_owner(connection, code, &words).await;
                Failure::needs_owner(connection, (code, &words), &self.public_url)
            }
            Unreached::Later(words) => Failure::later(connection, &words),
            Unreached::Inside(cause) => Failure::Inside(cause),
        }
    }

    async fn in_sandbox(&self, connection: &Connection, errand: Errand) -> Result<Answered, Failure> {
        let Errand::Tool { name, arguments } = errand else {
            return Err(Failure::Told("The sandbox has nothing of this kind.".to_owned()));
        };
        let said = self.sandbox.call(&connection.principal_id, &name, arguments).await?;
        self.health.well(connection).await;
        Ok(Answered { reply: said.into(), secrets: Secrets::default(), relays: Relays::default() })
    }
}
