//! A transaction on either engine.

use std::sync::Arc;

use portcullis_oauth::{Timestamp, random_handle};
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::{Backend, Change, DatabaseError, on};

/// A transaction that writes; without [`commit`](Self::commit) it leaves nothing behind.
#[derive(Debug)]
pub struct Transaction {
    pub(crate) inner: Backend<sqlx::Transaction<'static, Postgres>, sqlx::Transaction<'static, Sqlite>>,
    pub(crate) node: Arc<str>,
}

impl Transaction {
    /// An executor inside this transaction.
    pub fn on(&mut self) -> Backend<&mut PgConnection, &mut SqliteConnection> {
        match &mut self.inner {
            Backend::Postgres(transaction) => Backend::Postgres(transaction),
            Backend::Sqlite(transaction) => Backend::Sqlite(transaction),
        }
    }

    /// The name of the process that writes.
    #[must_use]
    pub fn node(&self) -> Arc<str> {
        Arc::clone(&self.node)
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
        on!(self.inner, |transaction| transaction.commit().await)?;
        Ok(())
    }
}
