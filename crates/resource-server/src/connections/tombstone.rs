//! Names that were given up. What was granted for a name ends before the name can be used again, so that a re-used one
//! inherits nothing; the row remembers it for a year.

use std::error::Error;

use portcullis_database::{DatabaseError, Transaction, on};
use portcullis_oauth::{Alias, BoxFuture, ConnectionId, PrincipalId, Seconds, Timestamp};

use super::{Connection, ConnectionError, Connections};

/// A name is remembered for so long.
const KEPT: Seconds = Seconds::days(365);

/// A name that a connection gave up.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Tombstone {
    /// Whose it was.
    pub principal_id: PrincipalId,
    /// The name.
    pub alias: Alias,
    /// The connection that bore it.
    pub connection_id: ConnectionId,
    /// Whether the connection is gone; else it goes on under another name.
    pub deleted: bool,
    /// When that was.
    pub ended_at: Timestamp,
}

/// Ends what clients were granted for a name, and for its connection if that is gone. Grants are the authorization
/// server's: implemented where both servers are known.
pub trait GrantEnder: Send + Sync {
    /// Ends it; doing so twice is no error.
    fn end<'a>(&'a self, name: &'a Tombstone) -> BoxFuture<'a, Result<(), Box<dyn Error + Send + Sync>>>;
}

impl Connections {
    /// Completes the ends that were begun and not completed, and forgets names after a year.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let waiting: Vec<Tombstone> = on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM alias_tombstone WHERE settled_at IS NULL LIMIT 500"
        )
        .fetch_all(pool)
        .await)?;
        for tombstone in waiting {
            self.settle(&tombstone).await?;
        }
        on!(self.database.write(), |pool| sqlx::query(
            "DELETE FROM alias_tombstone WHERE ended_at < $1 AND settled_at IS NOT NULL"
        )
        .bind(now.minus(KEPT))
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// When a connection of this name was last given up, within a year.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn given_up(
        &self,
        principal: &PrincipalId,
        alias: &Alias,
    ) -> Result<Option<Tombstone>, DatabaseError> {
        Ok(on!(self.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM alias_tombstone WHERE principal_id = $1 AND alias = $2"
        )
        .bind(principal)
        .bind(alias)
        .fetch_optional(pool)
        .await)?)
    }

    /// Sees to it that nothing is granted for a name that is about to be used.
    pub(super) async fn settle_alias(
        &self,
        principal: &PrincipalId,
        alias: &Alias,
    ) -> Result<(), ConnectionError> {
        let Some(tombstone) = self.given_up(principal, alias).await? else { return Ok(()) };
        if self.settle(&tombstone).await? { Ok(()) } else { Err(ConnectionError::AliasEnding) }
    }

    /// Ends what was granted for a name. `false` when that has to wait for somebody else or for another time.
    pub(super) async fn settle(&self, tombstone: &Tombstone) -> Result<bool, DatabaseError> {
        let settled: Option<(Option<Timestamp>,)> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT settled_at FROM alias_tombstone WHERE principal_id = $1 AND alias = $2 AND connection_id = $3"
        )
        .bind(&tombstone.principal_id)
        .bind(&tombstone.alias)
        .bind(&tombstone.connection_id)
        .fetch_optional(pool)
        .await
        })?;
        if !matches!(settled, Some((None,))) {
            return Ok(true);
        }
        let Some(grants) = &self.grants else { return Ok(false) };
        if let Err(cause) = grants.end(tombstone).await {
            tracing::warn!(
                ?cause,
                "what was granted for a connection could not be ended; it will be tried again"
            );
            return Ok(false);
        }
        on!(self.database.write(), |pool| {
            sqlx::query(
            "UPDATE alias_tombstone SET settled_at = $4 WHERE principal_id = $1 AND alias = $2 AND connection_id = $3"
        )
        .bind(&tombstone.principal_id)
        .bind(&tombstone.alias)
        .bind(&tombstone.connection_id)
        .bind(self.clock.now())
        .execute(pool)
        .await
        .map(drop)
        })?;
        Ok(true)
    }
}

/// Notes that `connection` gives up its name.
pub(super) async fn bury_in(
    transaction: &mut Transaction,
    connection: &Connection,
    (deleted, now): (bool, Timestamp),
) -> Result<Tombstone, DatabaseError> {
    Ok(on!(transaction.on(), |executor| sqlx::query_as(
        "INSERT INTO alias_tombstone (principal_id, alias, connection_id, deleted, ended_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (principal_id, alias) DO UPDATE SET \
         connection_id = excluded.connection_id, deleted = excluded.deleted, ended_at = excluded.ended_at, \
         settled_at = NULL RETURNING *"
    )
    .bind(&connection.principal_id)
    .bind(&connection.alias)
    .bind(&connection.id)
    .bind(deleted)
    .bind(now)
    .fetch_one(executor)
    .await)?)
}
