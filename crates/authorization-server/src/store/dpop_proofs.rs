//! `dpop_proof`: proofs of possession that were used, each once, by one statement whose row is the verdict.

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::dpop::UsedProof;
use portcullis_oauth::{SecretHash, Timestamp};

/// The used proofs of this server, at all its nodes.
#[derive(Clone, Debug)]
pub(crate) struct DpopProofs {
    database: Database,
}

impl DpopProofs {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Uses a proof: `true` for the one caller, of however many, that was first (R9449-11.1-1).
    pub(crate) async fn use_up(&self, proof: &UsedProof) -> Result<bool, DatabaseError> {
        let first: Option<(SecretHash,)> = on!(self.database.write(), |pool| {
            sqlx::query_as(
            "INSERT INTO dpop_proof (hash, fresh_until) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING RETURNING hash"
        )
        .bind(&proof.hash)
        .bind(proof.until)
        .fetch_optional(pool)
        .await
        })?;
        Ok(first.is_some())
    }

    /// Forgets proofs that are too old to be taken again.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM dpop_proof WHERE hash IN (SELECT hash FROM dpop_proof WHERE fresh_until < $1 LIMIT 500)";
        self.database.sweep(sql, now).await
    }
}
