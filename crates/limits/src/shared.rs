//! The same buckets in the database, so that several nodes count together and exactly: one statement reads a bucket, decides
//! and writes it, and its row is the verdict. Owns the table `rate_bucket`. What is lost in a crash of the database are
//! counts of the last moment, so nobody waits for its disk.

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::{Seconds, Timestamp};

use crate::{Quota, Verdict};

/// The algorithm of [`check`](crate::check) in SQL: `$2` is now, `$3` what one costs, `$4` the span, all in microseconds. A
/// clock that was set back locks nobody out for longer than one span.
macro_rules! emptied {
    () => {
        "CASE WHEN rate_bucket.empty_at < $2 THEN $2 WHEN rate_bucket.empty_at > $2 + $4 THEN $2 + $4 \
         ELSE rate_bucket.empty_at END"
    };
}

const DECIDE: &str = concat!(
    "INSERT INTO rate_bucket (key, empty_at, allowed) VALUES ($1, $2 + $3, TRUE) ON CONFLICT (key) DO UPDATE SET \
     empty_at = CASE WHEN ",
    emptied!(),
    " + $3 - $4 <= $2 THEN ",
    emptied!(),
    " + $3 ELSE ",
    emptied!(),
    " END, allowed = (",
    emptied!(),
    " + $3 - $4 <= $2) RETURNING empty_at, allowed"
);

/// Buckets that several nodes share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedBuckets {
    database: Database,
}

impl SharedBuckets {
    /// The buckets kept in `database`.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self { database: database.unsynced() }
    }

    /// Decides one request of `key` at `now`. A refusal costs nothing.
    ///
    /// # Errors
    /// When the database does not answer: then nobody knows.
    pub async fn check(&self, key: &str, quota: Quota, now: Timestamp) -> Result<Verdict, DatabaseError> {
        let (empty_at, allowed): (Timestamp, bool) =
            on!(self.database.write(), |pool| sqlx::query_as(DECIDE)
                .bind(key)
                .bind(now)
                .bind(quota.interval())
                .bind(quota.span())
                .fetch_one(pool)
                .await)?;
        if allowed {
            return Ok(Verdict::Allowed);
        }
        let room_from = empty_at.micros().saturating_add(quota.interval()).saturating_sub(quota.span());
        Ok(Verdict::Refused { retry_after: Seconds(now.seconds_until(Timestamp::from_micros(room_from))) })
    }

    /// Deletes buckets that are empty again, and thus like ones that nobody used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM rate_bucket WHERE key IN (SELECT key FROM rate_bucket WHERE empty_at < $1 LIMIT 500)";
        self.database.sweep(sql, now).await
    }
}
