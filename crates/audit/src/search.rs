//! Looking records up: by whom, through what, how it ended and when, page by page.

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::{ClientId, ConnectionId, PrincipalId, Timestamp};
use sqlx::AssertSqlSafe;

use crate::Outcome;
use crate::record::Kept;
use crate::select::select;

/// What happens all the time: found by its time, and in no index of its own.
const COMMON: [&str; 2] = ["tools.call", "tools.list"];

/// Which records. What is not said does not matter.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// On whose behalf.
    pub principal: Option<PrincipalId>,
    /// Through which client.
    pub client: Option<ClientId>,
    /// At which connection.
    pub connection: Option<ConnectionId>,
    /// Of which tool.
    pub tool: Option<String>,
    /// What was done or tried, as [`Action`](crate::Action) names it.
    pub action: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Under which trace id.
    pub trace_id: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// In which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest first: for somebody who looks.
    Newest,
    /// The oldest first: for an export.
    Oldest,
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: Timestamp,
    id: String,
}

impl Cursor {
    fn after(record: &Kept) -> Self {
        Self { at: record.at, id: record.id.clone() }
    }

    /// The cursor as text.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("{}.{}", self.at.micros(), self.id)
    }

    /// Reads what [`encode`](Self::encode) made.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        let plain = id.len() < 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        plain.then_some(Self { at: Timestamp::from_micros(at.parse().ok()?), id: id.to_owned() })
    }
}

/// The records of a database, to be read.
#[derive(Clone, Debug)]
pub struct Records(Database);

impl Records {
    /// Those in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0
    }

    /// The next page, and where it ended if there are more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn page(
        &self,
        query: &Query,
        order: Order,
        after: Option<&Cursor>,
        limit: u16,
    ) -> Result<(Vec<Kept>, Option<Cursor>), DatabaseError> {
        let (sql, texts) = query.statement(order, after.is_some());
        let since = query.since.unwrap_or(Timestamp::from_micros(i64::MIN));
        let until = query.until.unwrap_or(Timestamp::from_micros(i64::MAX));
        let mut records: Vec<Kept> = on!(self.0.read(), |pool| {
            let mut statement = sqlx::query_as(AssertSqlSafe(sql));
            statement = statement.bind(since).bind(until).bind(i64::from(limit) + 1);
            if let Some(cursor) = after {
                statement = statement.bind(cursor.at).bind(&cursor.id);
            }
            for text in texts {
                statement = statement.bind(text);
            }
            statement.fetch_all(pool).await
        })?;
        let more = records.len() > usize::from(limit);
        records.truncate(limit.into());
        let cursor = records.last().filter(|_| more).map(Cursor::after);
        Ok((records, cursor))
    }
}

impl Query {
    /// The statement and the texts that it binds after times, limit and cursor. Only what was asked stands in it, so that the
    /// engine takes the index that fits; of the asker's own words nothing does.
    fn statement(&self, order: Order, continued: bool) -> (String, Vec<&str>) {
        let (compared, direction) = match order {
            Order::Newest => ("<", "DESC"),
            Order::Oldest => (">", "ASC"),
        };
        let mut parts = vec![select!("WHERE at >= $1 AND at < $2").to_owned()];
        let mut place = 3;
        if continued {
            parts.push(format!("AND (at, id) {compared} ($4, $5)"));
            place = 5;
        }
        if let Some(outcome) = self.outcome {
            // A word of ours, and not bound: the index over refusals is for this one word.
            parts.push(format!("AND outcome = '{}'", outcome.as_str()));
        }
        if self.action.as_deref().is_some_and(|action| !COMMON.contains(&action)) {
            // The index over actions leaves out what happens all the time, and is used where the statement says so too.
            parts.push(format!("AND action NOT IN ('{}')", COMMON.join("', '")));
        }
        let mut texts = Vec::new();
        for (column, text) in [
            ("principal_id", self.principal.as_ref().map(PrincipalId::as_str)),
            ("client_id", self.client.as_ref().map(ClientId::as_str)),
            ("connection_id", self.connection.as_ref().map(ConnectionId::as_str)),
            ("tool", self.tool.as_deref()),
            ("action", self.action.as_deref()),
            ("trace_id", self.trace_id.as_deref()),
        ] {
            if let Some(text) = text {
                place += 1;
                parts.push(format!("AND {column} = ${place}"));
                texts.push(text);
            }
        }
        parts.push(format!("ORDER BY at {direction}, id {direction} LIMIT $3"));
        (parts.join(" "), texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor { at: Timestamp::from_micros(-5), id: "evt_a-b_C".to_owned() };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for wrong in ["", "5", "x.evt_a", "5.evt a", "5.'; DROP"] {
            assert_eq!(Cursor::decode(wrong), None, "{wrong}");
        }
    }
}
