//! `tool_block`: tools that an administrator blocked. A block holds at once, for every user, whatever policies say.

use std::collections::HashSet;
use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, on};
use portcullis_oauth::{Clock, ConnectionId, Timestamp};
use serde_json::json;

/// Where a tool is blocked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockedAt {
    /// At every server.
    Anywhere,
    /// At every connection to the server of this name.
    Server(String),
    /// At this connection.
    Connection(ConnectionId),
}

/// A blocked tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolBlock {
    /// The upstream's own name of the tool.
    pub tool: String,
    /// Where.
    pub at: BlockedAt,
    /// Who blocked it.
    pub author: String,
    /// Why.
    pub note: String,
    /// When.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    tool: String,
    server: String,
    connection_id: String,
    author: String,
    note: String,
    created_at: Timestamp,
}

/// The blocked tools of this server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ToolBlocks {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
}

impl ToolBlocks {
    /// The blocks kept in `database`.
    #[must_use]
    pub fn new(database: Database, changes: ChangeFeed, clock: Arc<dyn Clock>) -> Self {
        Self { database, changes, clock }
    }

    /// Blocks a tool. `false` when it was blocked there already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn block(
        &self,
        tool: &str,
        at: &BlockedAt,
        author: &str,
        note: &str,
    ) -> Result<bool, DatabaseError> {
        let (server, connection_id) = at.columns();
        let now = self.clock.now();
        let mut transaction = self.database.begin().await?;
        let made: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "INSERT INTO tool_block (tool, server, connection_id, author, note, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING tool"
        )
        .bind(tool)
        .bind(server)
        .bind(connection_id)
        .bind(author)
        .bind(note)
        .bind(now)
        .fetch_optional(connection)
        .await)?;
        if made.is_none() {
            return Ok(false);
        }
        let what = json!({ "at": at.in_words(), "author": author, "note": note });
        self.commit(
            transaction,
            Event::new(now, Action::PolicyChange, Outcome::Done)
                .because("tool_blocked")
                .of_tool(tool)
                .with(what),
        )
        .await?;
        Ok(true)
    }

    /// Takes a block away. `false` when there was none of exactly this tool and place.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unblock(&self, tool: &str, at: &BlockedAt, author: &str) -> Result<bool, DatabaseError> {
        let (server, connection_id) = at.columns();
        let mut transaction = self.database.begin().await?;
        let gone: Option<(String,)> = on!(transaction.on(), |connection| sqlx::query_as(
            "DELETE FROM tool_block WHERE tool = $1 AND server = $2 AND connection_id = $3 RETURNING tool"
        )
        .bind(tool)
        .bind(server)
        .bind(connection_id)
        .fetch_optional(connection)
        .await)?;
        if gone.is_none() {
            return Ok(false);
        }
        let what = json!({ "at": at.in_words(), "author": author });
        let event =
            Event::new(self.clock.now(), Action::PolicyChange, Outcome::Done).because("tool_unblocked");
        self.commit(transaction, event.of_tool(tool).with(what)).await?;
        Ok(true)
    }

    /// Every block, by tool and place.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<ToolBlock>, DatabaseError> {
        let rows: Vec<Row> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT tool, server, connection_id, author, note, created_at FROM tool_block"
        )
        .fetch_all(pool)
        .await)?;
        let mut all: Vec<ToolBlock> = rows.into_iter().map(ToolBlock::from).collect();
        all.sort_by(|one, other| (&one.tool, &one.at).cmp(&(&other.tool, &other.at)));
        Ok(all)
    }

    async fn commit(
        &self,
        mut transaction: portcullis_database::Transaction,
        event: Event,
    ) -> Result<(), DatabaseError> {
        portcullis_audit::record_in(&mut transaction, event).await?;
        let change = Change::new(ChangeKind::Policy, "blocks");
        transaction.record_change(&change, self.clock.now()).await?;
        transaction.commit().await?;
        self.changes.publish(&change);
        Ok(())
    }
}

impl BlockedAt {
    /// For people.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Anywhere => "anywhere".to_owned(),
            Self::Server(name) => format!("server {name}"),
            Self::Connection(id) => format!("connection {id}"),
        }
    }

    fn columns(&self) -> (&str, &str) {
        match self {
            Self::Anywhere => ("", ""),
            Self::Server(name) => (name, ""),
            Self::Connection(id) => ("", id.as_str()),
        }
    }
}

impl From<Row> for ToolBlock {
    fn from(row: Row) -> Self {
        let at = if !row.connection_id.is_empty() {
            BlockedAt::Connection(ConnectionId::from(row.connection_id))
        } else if !row.server.is_empty() {
            BlockedAt::Server(row.server)
        } else {
            BlockedAt::Anywhere
        };
        Self { tool: row.tool, at, author: row.author, note: row.note, created_at: row.created_at }
    }
}

/// Which tools are blocked, for decisions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocked(HashSet<(String, BlockedAt)>);

impl Blocked {
    /// These.
    pub(crate) fn of(blocks: Vec<ToolBlock>) -> Self {
        Self(blocks.into_iter().map(|block| (block.tool, block.at)).collect())
    }

    /// Whether this tool is blocked at this connection to this server.
    pub(crate) fn blocks(&self, tool: &str, server: &str, connection: &ConnectionId) -> bool {
        let places = [
            BlockedAt::Anywhere,
            BlockedAt::Server(server.to_owned()),
            BlockedAt::Connection(connection.clone()),
        ];
        !self.0.is_empty() && places.into_iter().any(|at| self.0.contains(&(tool.to_owned(), at)))
    }
}
