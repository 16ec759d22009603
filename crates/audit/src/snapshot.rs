//! Who asked, as far as a policy saw them: kept once for all their calls, named by the hash of its content. What is in it and
//! who seals it is the caller's to know; here it is kept as long as an event may name it, and goes with a person's data.

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_oauth::{PrincipalId, Seconds, Timestamp};

use crate::digest::Digest;

/// One is marked as used so often at most; it stays that much longer than the events that name it.
const FRESH: Seconds = Seconds::days(1);
/// So many are deleted at once.
const BATCH: i64 = 500;

/// The snapshots of a database.
#[derive(Clone, Debug)]
pub struct Snapshots(Database);

impl Snapshots {
    /// Those in `database`.
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    /// The name of a content.
    #[must_use]
    pub fn name_of(content: &str) -> String {
        Digest::of("portcullis audit snapshot v1").text(content).finish()
    }

    /// Whether one that was kept or marked at `then` has to be kept again before it is named at `now`.
    #[must_use]
    pub fn is_stale(then: Timestamp, now: Timestamp) -> bool {
        then.plus(FRESH) <= now
    }

    /// Keeps one of `principal`, or marks it as used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep(
        &self,
        name: &str,
        principal: &PrincipalId,
        sealed: &str,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        let sql = "INSERT INTO audit_snapshot (id, principal_id, sealed, used_at) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at \
                   WHERE audit_snapshot.used_at < excluded.used_at";
        on!(self.0.write(), |pool| sqlx::query(sql)
            .bind(name)
            .bind(principal)
            .bind(sealed)
            .bind(now)
            .execute(pool)
            .await
            .map(drop))?;
        Ok(())
    }

    /// The sealed content of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, name: &str) -> Result<Option<String>, DatabaseError> {
        let sql = "SELECT sealed FROM audit_snapshot WHERE id = $1";
        Ok(on!(self.0.read(), |pool| sqlx::query_scalar(sql).bind(name).fetch_optional(pool).await)?)
    }

    /// Deletes those that no event from `before` on can name.
    pub(crate) async fn sweep(&self, before: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM audit_snapshot WHERE id IN \
                   (SELECT id FROM audit_snapshot WHERE used_at < $1 LIMIT $2)";
        loop {
            let gone = on!(self.0.write(), |pool| sqlx::query(sql)
                .bind(before.minus(FRESH))
                .bind(BATCH)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
            if gone < BATCH.unsigned_abs() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Deletes everything that is kept of a person.
pub(crate) async fn erase_in(
    transaction: &mut Transaction,
    principal: &PrincipalId,
) -> Result<(), DatabaseError> {
    let sql = "DELETE FROM audit_snapshot WHERE principal_id = $1";
    on!(transaction.on(), |connection| sqlx::query(sql).bind(principal).execute(connection).await.map(drop))?;
    Ok(())
}
