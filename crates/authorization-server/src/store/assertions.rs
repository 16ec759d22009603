//! `client_assertion`: what clients proved themselves with, so that each assertion proves once, on whatever node (A19).

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::jose::OneUse;
use portcullis_oauth::{ClientId, Seconds, Secret, SecretHash, Timestamp};

/// A node whose clock is behind may take an assertion for longer than this one: its row stays for so much longer.
const KEPT_AFTERWARDS: Seconds = Seconds::minutes(10);

/// The assertions that were used.
#[derive(Clone, Debug)]
pub(crate) struct Assertions {
    database: Database,
}

impl Assertions {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Uses an assertion of this client up: `true` for the one request that came first (R7523-3-2).
    pub(crate) async fn spend(&self, client: &ClientId, once: &OneUse) -> Result<bool, DatabaseError> {
        // No identifier of a client holds a line break, so two pairs never look alike.
        let hash = Secret::presented(format!("{client}\n{}", once.jti)).hash();
        let spent: Option<(SecretHash,)> = on!(self.database.write(), |pool| {
            sqlx::query_as(
                "INSERT INTO client_assertion (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING \
                 RETURNING hash",
            )
            .bind(hash)
            .bind(once.until)
            .fetch_optional(pool)
            .await
        })?;
        Ok(spent.is_some())
    }

    /// Forgets assertions that are worth nothing any more.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM client_assertion WHERE hash IN \
                   (SELECT hash FROM client_assertion WHERE expires_at < $1 LIMIT 500)";
        self.database.sweep(sql, now.minus(KEPT_AFTERWARDS)).await
    }
}
