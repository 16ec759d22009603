//! How much a user may ask for: which buckets a call is counted in, and how much each allows (TOOL-10). Owns the buckets and
//! the limits that admins set ([`LimitRules`]); the algorithm is `portcullis_limits`'s, and what a refusal looks like the
//! pipeline's.

mod rules;

use std::sync::Arc;

use portcullis_database::{ChangeFeed, ChangeKind, Database, DatabaseError, Remembered};
use portcullis_limits::{Limiter, Quota, SharedBuckets, Verdict};
use portcullis_oauth::{Clock, Timestamp, VerifiedBearer};

use self::rules::LimitedTo;
pub use self::rules::{Limit, LimitRules, LimitSubject};
use crate::connections::Connection;

/// Buckets that one node remembers.
const BUCKETS: usize = 50_000;

/// How much one user may ask for in a minute, unless an admin set another limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Tool calls.
    pub calls: u32,
    /// Lists and everything else.
    pub lists: u32,
    /// Calls of one tool.
    pub calls_of_a_tool: u32,
    /// Whether other nodes count calls too, so that they are counted in the database.
    pub shared: bool,
}

impl Default for Rates {
    fn default() -> Self {
        Self { calls: 60, lists: 120, calls_of_a_tool: 10, shared: false }
    }
}

/// Which bucket has no room, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// There was room.
    Allowed,
    /// The one of the user over all calls, or over those through this client.
    User(Verdict),
    /// The one of the user at this connection.
    Connection(Verdict),
    /// The one of the user and the tool.
    Tool(Verdict),
}

/// So often a minute one user's clients may ask whether a call that waits was decided.
const LEGS: u32 = 60;

/// The buckets.
pub(crate) struct Limits {
    rates: Rates,
    rules: LimitRules,
    /// What admins set, until the feed of changes names it.
    kept: Remembered<LimitedTo>,
    calls: Buckets,
    /// Everything but calls, by user; harmless enough to be counted by each node for itself.
    lists: Limiter,
    /// Looks at an approval that a call waits for, by user; the same.
    legs: Limiter,
}

enum Buckets {
    Memory(Limiter),
    Shared(SharedBuckets),
}

impl Buckets {
    async fn check(&self, key: &str, quota: Quota, now: Timestamp) -> Result<Verdict, DatabaseError> {
        match self {
            Self::Memory(limiter) => Ok(limiter.check_with(key, quota, now)),
            Self::Shared(shared) => shared.check(key, quota, now).await,
        }
    }
}

impl Limits {
    /// Buckets that allow so much.
    pub(crate) fn new(
        rates: Rates,
        (database, clock): (&Database, &Arc<dyn Clock>),
        changes: ChangeFeed,
    ) -> Self {
        let rules = LimitRules::new(database.clone(), changes.clone(), Arc::clone(clock));
        let limiter = |a_minute| Limiter::new(Quota::per_minute(a_minute), BUCKETS);
        let calls = if rates.shared {
            Buckets::Shared(SharedBuckets::new(database))
        } else {
            Buckets::Memory(limiter(rates.calls))
        };
        let kept = Remembered::new(ChangeKind::Limit, changes);
        Self { rates, rules, kept, calls, lists: limiter(rates.lists), legs: limiter(LEGS) }
    }

    /// Counts something that is no call.
    pub(crate) fn list(&self, bearer: &VerifiedBearer, now: Timestamp) -> Verdict {
        self.lists.check(bearer.principal().id.as_str(), now)
    }

    /// Counts a look at an approval.
    pub(crate) fn leg(&self, bearer: &VerifiedBearer, now: Timestamp) -> Verdict {
        self.legs.check(bearer.principal().id.as_str(), now)
    }

    /// Counts a call, a read or a get of a user, and what they do through this client where that has a limit of its own.
    pub(crate) async fn call(
        &self,
        bearer: &VerifiedBearer,
        now: Timestamp,
    ) -> Result<Counted, DatabaseError> {
        let (user, set) = (bearer.principal().id.as_str(), self.set().await?);
        let client = bearer.client_id().as_str();
        if let Some(amount) = set.of_subject(LimitSubject::Client, client).calls {
            let key = format!("user/{user}/client/{client}");
            let verdict = self.calls.check(&key, Quota::per_minute(amount), now).await?;
            if verdict != Verdict::Allowed {
                return Ok(Counted::User(verdict));
            }
        }
        let amount = set.of_subject(LimitSubject::User, user).calls.unwrap_or(self.rates.calls);
        let verdict = self.calls.check(&format!("user/{user}"), Quota::per_minute(amount), now).await?;
        Ok(if verdict == Verdict::Allowed { Counted::Allowed } else { Counted::User(verdict) })
    }

    /// Counts a call of a tool, by its server's own name for it: so it is the same bucket at every endpoint.
    pub(crate) async fn tool(
        &self,
        bearer: &VerifiedBearer,
        (connection, tool): (&Connection, &str),
        now: Timestamp,
    ) -> Result<Counted, DatabaseError> {
        let (user, set) = (bearer.principal().id.as_str(), self.set().await?);
        let (at, of) = (&connection.id, set.of_subject(LimitSubject::Connection, connection.id.as_str()));
        let server = set.of_subject(LimitSubject::Server, &connection.server);
        // What is set for the connection itself counts before what is set for its server.
        if let Some(amount) = of.calls.or(server.calls) {
            let key = format!("user/{user}/connection/{at}");
            let verdict = self.calls.check(&key, Quota::per_minute(amount), now).await?;
            if verdict != Verdict::Allowed {
                return Ok(Counted::Connection(verdict));
            }
        }
        let client = set.of_subject(LimitSubject::Client, bearer.client_id().as_str());
        let own = set.of_subject(LimitSubject::User, user);
        let strictest =
            [of.calls_of_a_tool.or(server.calls_of_a_tool), client.calls_of_a_tool, own.calls_of_a_tool];
        let amount = strictest.into_iter().flatten().min().unwrap_or(self.rates.calls_of_a_tool);
        let key = format!("user/{user}/connection/{at}/tool/{tool}");
        let verdict = self.calls.check(&key, Quota::per_minute(amount), now).await?;
        Ok(if verdict == Verdict::Allowed { Counted::Allowed } else { Counted::Tool(verdict) })
    }

    /// Counts a call of a tool of our own, by this name.
    pub(crate) async fn own_tool(
        &self,
        bearer: &VerifiedBearer,
        tool: &str,
        now: Timestamp,
    ) -> Result<Counted, DatabaseError> {
        let key = format!("user/{}/tool/{tool}", bearer.principal().id);
        let quota = Quota::per_minute(self.rates.calls_of_a_tool);
        let verdict = self.calls.check(&key, quota, now).await?;
        Ok(if verdict == Verdict::Allowed { Counted::Allowed } else { Counted::Tool(verdict) })
    }

    /// Deletes shared buckets that are empty again.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        match &self.calls {
            Buckets::Shared(shared) => shared.sweep(now).await,
            Buckets::Memory(_) => Ok(()),
        }
    }

    async fn set(&self) -> Result<Arc<LimitedTo>, DatabaseError> {
        self.kept.get(async { Ok(Arc::new(LimitedTo::of(self.rules.list().await?))) }).await
    }
}
