//! `tool_pin`: reading what was accepted, writing what a server lists, and accepting it. What is accepted is what somebody
//! looked at: one statement names its hash, and its row is the verdict.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portcullis_audit::{ConnectionEvent, Outcome};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, Transaction, on};
use portcullis_oauth::{Clock, ConnectionId, PrincipalId, Timestamp};
use portcullis_policy::Pin;
use serde_json::json;

use super::news::{Known, News, Seen};
use super::review::ToolReview;
use super::{Accepted, Definition, Pinned, review};
use crate::connections::Connection;
use crate::offer::Offer;
use crate::policy::Trust;

/// Tools that are gone are remembered so many for a connection; more only a server makes that invents names.
const GONE: i64 = 2_000;

/// The store of pins. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pins {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
}

#[derive(sqlx::FromRow)]
struct Brief {
    tool: String,
    accepted_hash: Option<String>,
    accepted_by: Option<String>,
    seen_hash: Option<String>,
}

impl Pins {
    /// The pins kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        Self { database, changes, clock }
    }

    /// How each tool of a list stands, by its server's name for it. What is new about the list is written first.
    pub(crate) async fn hold(
        &self,
        connection: &Connection,
        trust: Trust,
        offers: &[Arc<Offer>],
    ) -> Result<HashMap<String, Pinned>, DatabaseError> {
        let of = |offer: &Offer| Definition::of(&offer.description);
        let seen: Seen<'_> =
            offers.iter().map(|offer| (offer.key.as_str(), (offer.as_ref(), of(offer)))).collect();
        let mut known = self.known(&connection.id).await?;
        let news = News::between(&known, &seen, trust);
        if !news.is_empty() {
            self.write(connection, &seen, &news).await?;
            // Another node may have been first; what it wrote holds.
            known = self.known(&connection.id).await?;
        }
        let stands = |(name, (_, definition)): (&&str, &(&Offer, Definition))| {
            let accepted = known.get(*name).map(|row| row.accepted.clone()).unwrap_or_default();
            ((*name).to_owned(), accepted.stands(&definition.hash, trust))
        };
        Ok(seen.iter().map(stands).collect())
    }

    /// Every tool of a connection that was ever listed, those that wait first, each with what changed since it was accepted.
    pub(crate) async fn review(
        &self,
        connection: &Connection,
        trust: Trust,
    ) -> Result<Vec<ToolReview>, DatabaseError> {
        let rows: Vec<review::Row> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT tool, accepted_hash, accepted, accepted_by, accepted_at, seen_hash, seen FROM tool_pin \
             WHERE connection_id = $1"
        )
        .bind(&connection.id)
        .fetch_all(pool)
        .await
        })?;
        Ok(review::of(rows, trust))
    }

    /// How a tool stood to what was accepted when its server, which is trusted so far, listed it last; nothing where that never
    /// was.
    pub(crate) async fn last_stood(
        &self,
        (connection, trust): (&Connection, Trust),
        tool: &str,
    ) -> Result<Option<Pinned>, DatabaseError> {
        let known = self.known(&connection.id).await?.remove(tool);
        Ok(known.map(|row| match row.seen {
            Some(hash) => row.accepted.stands(&hash, trust),
            None => Pinned { pin: Pin::Removed, reviewed: row.accepted.by.is_some() },
        }))
    }

    /// How many tools of each connection of `owner` wait because they changed, or because nothing accepted them; connections
    /// without any are absent.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting(&self, owner: &PrincipalId) -> Result<HashMap<ConnectionId, i64>, DatabaseError> {
        let rows: Vec<(ConnectionId, i64)> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT p.connection_id, COUNT(*) FROM tool_pin p JOIN connection c ON c.id = p.connection_id \
             WHERE c.principal_id = $1 AND p.seen_hash IS NOT NULL \
             AND (p.accepted_hash IS NULL OR p.accepted_hash <> p.seen_hash) GROUP BY p.connection_id"
        )
        .bind(owner)
        .fetch_all(pool)
        .await
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Accepts a tool as somebody saw it, whose definition has this hash. `false`: its server lists another by now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn accept(
        &self,
        connection: &Connection,
        (tool, hash): (&str, &str),
        who: &str,
    ) -> Result<bool, DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let accepted: Option<(String,)> = on!(transaction.on(), |executor| {
            sqlx::query_as(
            "UPDATE tool_pin SET accepted_hash = seen_hash, accepted = seen, accepted_by = $4, accepted_at = $5 \
             WHERE connection_id = $1 AND tool = $2 AND seen_hash = $3 RETURNING tool"
        )
        .bind(&connection.id)
        .bind(tool)
        .bind(hash)
        .bind(who)
        .bind(now)
        .fetch_optional(executor)
        .await
        })?;
        if accepted.is_none() {
            return Ok(false);
        }
        let event = connection.event(now, ConnectionEvent::Reviewed, Outcome::Done);
        let event = event.because("tool_accepted").of_tool(tool).with(json!({"by": who, "hash": hash}));
        portcullis_audit::record_in(&mut transaction, event).await?;
        // Lists are read anew, and with them how each tool stands.
        let change = Change::new(ChangeKind::Connection, connection.id.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(true)
    }

    /// Accepts every one of these that waits, as it was seen; how many were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn accept_all(
        &self,
        connection: &Connection,
        reviewed: &[ToolReview],
        who: &str,
    ) -> Result<usize, DatabaseError> {
        let mut count = 0;
        for tool in reviewed.iter().filter(|tool| tool.state.waits()) {
            if let Some(hash) = &tool.hash {
                count += usize::from(self.accept(connection, (&tool.tool, hash), who).await?);
            }
        }
        Ok(count)
    }

    async fn known(&self, connection: &ConnectionId) -> Result<BTreeMap<String, Known>, DatabaseError> {
        let rows: Vec<Brief> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT tool, accepted_hash, accepted_by, seen_hash FROM tool_pin WHERE connection_id = $1"
        )
        .bind(connection)
        .fetch_all(pool)
        .await)?;
        let known = |row: Brief| {
            let accepted = Accepted { hash: row.accepted_hash, by: row.accepted_by };
            (row.tool, Known { accepted, seen: row.seen_hash })
        };
        Ok(rows.into_iter().map(known).collect())
    }

    async fn write(
        &self,
        connection: &Connection,
        seen: &Seen<'_>,
        news: &News<'_>,
    ) -> Result<(), DatabaseError> {
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        for (tool, taken) in &news.first {
            if let Some((_, definition)) = seen.get(tool) {
                insert(&mut transaction, connection, (tool, definition, *taken), now).await?;
            }
        }
        for tool in news.other.iter().chain(&news.released) {
            if let Some((_, definition)) = seen.get(tool) {
                see(&mut transaction, connection, (tool, definition), now).await?;
            }
        }
        for tool in &news.released {
            release(&mut transaction, connection, tool, now).await?;
        }
        for tool in &news.gone {
            lose(&mut transaction, connection, tool, now).await?;
        }
        forget(&mut transaction, connection).await?;
        let event = connection.event(now, ConnectionEvent::ToolsChanged, Outcome::Done);
        let because = if news.other.is_empty() { "tools_listed" } else { "tool_changed" };
        portcullis_audit::record_in(&mut transaction, event.because(because).with(news.detail())).await?;
        if news.other.is_empty() {
            return transaction.commit().await;
        }
        // Clients are told that their lists changed, whether or not the server told (T27).
        let change = Change::new(ChangeKind::Connection, connection.id.as_str());
        transaction.record_change(&change, now).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }
}

async fn insert(
    transaction: &mut Transaction,
    connection: &Connection,
    (tool, definition, taken): (&str, &Definition, bool),
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let accepted = taken.then_some(definition);
    Ok(on!(transaction.on(), |executor| {
        sqlx::query(
        "INSERT INTO tool_pin (connection_id, tool, seen_hash, seen, seen_at, accepted_hash, accepted, accepted_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
    )
    .bind(&connection.id)
    .bind(tool)
    .bind(&definition.hash)
    .bind(&definition.text)
    .bind(now)
    .bind(accepted.map(|definition| &definition.hash))
    .bind(accepted.and_then(|definition| definition.text.as_ref()))
    .bind(accepted.map(|_| now))
    .execute(executor)
    .await
    .map(drop)
    })?)
}

async fn see(
    transaction: &mut Transaction,
    connection: &Connection,
    (tool, definition): (&str, &Definition),
    now: Timestamp,
) -> Result<(), DatabaseError> {
    Ok(on!(transaction.on(), |executor| sqlx::query(
        "UPDATE tool_pin SET seen_hash = $3, seen = $4, seen_at = $5 WHERE connection_id = $1 AND tool = $2"
    )
    .bind(&connection.id)
    .bind(tool)
    .bind(&definition.hash)
    .bind(&definition.text)
    .bind(now)
    .execute(executor)
    .await
    .map(drop))?)
}

/// A rule accepts what waited; never what a person has to look at because it changed.
async fn release(
    transaction: &mut Transaction,
    connection: &Connection,
    tool: &str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    Ok(on!(transaction.on(), |executor| sqlx::query(
        "UPDATE tool_pin SET accepted_hash = seen_hash, accepted = seen, accepted_at = $3 \
         WHERE connection_id = $1 AND tool = $2 AND accepted_hash IS NULL"
    )
    .bind(&connection.id)
    .bind(tool)
    .bind(now)
    .execute(executor)
    .await
    .map(drop))?)
}

async fn lose(
    transaction: &mut Transaction,
    connection: &Connection,
    tool: &str,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    Ok(on!(transaction.on(), |executor| {
        sqlx::query(
        "UPDATE tool_pin SET seen_hash = NULL, seen = NULL, seen_at = $3 WHERE connection_id = $1 AND tool = $2"
    )
    .bind(&connection.id)
    .bind(tool)
    .bind(now)
    .execute(executor)
    .await
    .map(drop)
    })?)
}

/// A tool that comes back is held against what was accepted; of those that are gone the latest are remembered.
async fn forget(transaction: &mut Transaction, connection: &Connection) -> Result<(), DatabaseError> {
    Ok(on!(transaction.on(), |executor| {
        sqlx::query(
        "DELETE FROM tool_pin WHERE connection_id = $1 AND seen_hash IS NULL AND tool NOT IN \
         (SELECT tool FROM tool_pin WHERE connection_id = $1 AND seen_hash IS NULL ORDER BY seen_at DESC, tool LIMIT $2)"
    )
    .bind(&connection.id)
    .bind(GONE)
    .execute(executor)
    .await
    .map(drop)
    })?)
}
