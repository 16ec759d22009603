//! A transaction on either engine.

use portcullis_oauth::{Timestamp, random_handle};
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::{Backend, Change, DatabaseError, on};

/// A transaction that writes; without [`commit`](Self::commit) it leaves nothing behind.
#[derive(Debug)]
pub struct Transaction(
    pub(crate) Backend<sqlx::Transaction<'static, Postgres>, sqlx::Transaction<'static, Sqlite>>,
);

impl Transaction {
    /// An executor inside this transaction.
    pub fn on(&mut self) -> Backend<&mut PgConnection, &mut SqliteConnection> {
        match &mut self.0 {
            Backend::Postgres(transaction) => Backend::Postgres(transaction),
            Backend::Sqlite(transaction) => Backend::Sqlite(transaction),
        }
    }

    /// Notes in the `change` table that caches must forget a fact. It holds if and only if the transaction commits.
    ///
    /// # Errors
    /// When the row cannot be written.
    pub async fn record_change(&mut self, change: &Change, now: Timestamp) -> Result<(), DatabaseError> {
        on!(self.on(), |connection| sqlx::query(
            "INSERT INTO change (id, kind, subject, at) VALUES ($1, $2, $3, $4)"
        )
        .bind(random_handle("chg_"))
        .bind(change.kind.as_str())
        .bind(&change.subject)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Makes everything in it so.
    ///
    /// # Errors
    /// When the engine could not commit; then nothing of it is so.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        on!(self.0, |transaction| transaction.commit().await)?;
        Ok(())
    }
}
