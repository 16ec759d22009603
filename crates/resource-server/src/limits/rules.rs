//! `rate_limit`: limits that an admin set for one user, client, server or connection.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, Timestamp};
use serde_json::json;

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitSubject {
    /// A user, by the principal.
    User,
    /// A client, by its `client_id`; of each user through it.
    Client,
    /// A server of the catalogue, by its name; of each user at each connection to it.
    Server,
    /// A connection, by its identifier.
    Connection,
}

impl LimitSubject {
    /// Every subject.
    pub const ALL: [Self; 4] = [Self::User, Self::Client, Self::Server, Self::Connection];

    /// The subject as its column names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Server => "server",
            Self::Connection => "connection",
        }
    }
}

/// A limit, in calls a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What sort of thing it is set for.
    pub kind: LimitSubject,
    /// Which.
    pub subject: String,
    /// Calls of one user there, of all tools together.
    pub calls: Option<u32>,
    /// Calls of one user to one tool.
    pub calls_of_a_tool: Option<u32>,
    /// Who set it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
}

/// How much is allowed, where an admin said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) calls: Option<u32>,
    pub(super) calls_of_a_tool: Option<u32>,
}

/// Every limit that is set, for decisions.
#[derive(Debug, Default)]
pub(super) struct LimitedTo(HashMap<(LimitSubject, String), Amounts>);

impl LimitedTo {
    /// These.
    pub(super) fn of(limits: Vec<Limit>) -> Self {
        let amounts = |limit: &Limit| Amounts { calls: limit.calls, calls_of_a_tool: limit.calls_of_a_tool };
        Self(limits.into_iter().map(|limit| ((limit.kind, limit.subject.clone()), amounts(&limit))).collect())
    }

    /// What is set for this one.
    pub(super) fn of_subject(&self, kind: LimitSubject, subject: &str) -> Amounts {
        if self.0.is_empty() {
            return Amounts::default();
        }
        self.0.get(&(kind, subject.to_owned())).copied().unwrap_or_default()
    }
}

/// The store of limits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LimitRules {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
}

#[derive(sqlx::FromRow)]
struct Row {
    subject_kind: String,
    subject: String,
    calls: Option<i64>,
    calls_of_a_tool: Option<i64>,
    author: String,
    created_at: Timestamp,
}

impl LimitRules {
    /// The limits kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        Self { database, changes, clock }
    }

    /// Sets a limit in place of the one that was set for the same subject; when is the store's to say.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set(&self, limit: &Limit) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        on!(transaction.on(), |connection| sqlx::query(
            "INSERT INTO rate_limit (subject_kind, subject, calls, calls_of_a_tool, author, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (subject_kind, subject) DO UPDATE SET calls = $3, \
             calls_of_a_tool = $4, author = $5, created_at = $6"
        )
        .bind(limit.kind.as_str())
        .bind(&limit.subject)
        .bind(limit.calls.map(i64::from))
        .bind(limit.calls_of_a_tool.map(i64::from))
        .bind(&limit.author)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))?;
        let what = json!({
            limit.kind.as_str(): limit.subject, "calls": limit.calls, "calls_of_a_tool": limit.calls_of_a_tool,
            "author": limit.author,
        });
        self.commit(
            transaction,
            Event::new(now, Action::PolicyChange, Outcome::Done).because("limit_set").with(what),
        )
        .await
    }

    /// Takes a limit away. `false` when there was none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(
        &self,
        kind: LimitSubject,
        subject: &str,
        author: &str,
    ) -> Result<bool, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let gone: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM rate_limit WHERE subject_kind = $1 AND subject = $2 RETURNING subject"
        )
        .bind(kind.as_str())
        .bind(subject)
        .fetch_optional(connection)
        .await)?;
        if gone.is_none() {
            return Ok(false);
        }
        let event = Event::new(self.clock.now(), Action::PolicyChange, Outcome::Done);
        let what = json!({kind.as_str(): subject, "author": author});
        self.commit(transaction, event.because("limit_removed").with(what)).await?;
        Ok(true)
    }

    /// Every limit, by what it is set for.
    ///
    /// # Errors
    /// When the store fails, or a later release wrote a limit that this one does not know.
    pub async fn list(&self) -> Result<Vec<Limit>, DatabaseError> {
        let rows: Vec<Row> = on!(self.database.read(), |pool| sqlx::query_as("SELECT * FROM rate_limit")
            .fetch_all(pool)
            .await)?;
        let mut all = rows.into_iter().map(Limit::try_from).collect::<Result<Vec<_>, _>>()?;
        all.sort_by(|one, other| (one.kind, &one.subject).cmp(&(other.kind, &other.subject)));
        Ok(all)
    }

    async fn commit(&self, mut transaction: Transaction, event: Event) -> Result<(), DatabaseError> {
        portcullis_audit::record_in(&mut transaction, event).await?;
        let change = Change::new(ChangeKind::Limit, "all");
        transaction.record_change(&change, self.clock.now()).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }
}

impl TryFrom<Row> for Limit {
    type Error = DatabaseError;

    fn try_from(row: Row) -> Result<Self, DatabaseError> {
        let unknown = || DatabaseError::from(sqlx::Error::Decode("a limit that is not known here".into()));
        let amount = |value: Option<i64>| value.map(u32::try_from).transpose().map_err(|_| unknown());
        let kind = LimitSubject::ALL.into_iter().find(|kind| kind.as_str() == row.subject_kind);
        Ok(Self {
            kind: kind.ok_or_else(unknown)?,
            subject: row.subject,
            calls: amount(row.calls)?,
            calls_of_a_tool: amount(row.calls_of_a_tool)?,
            author: row.author,
            created_at: row.created_at,
        })
    }
}
