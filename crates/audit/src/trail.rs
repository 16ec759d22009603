//! Where events go: a row that is committed before the answer leaves, and a line in the log.

use portcullis_database::{Database, DatabaseError, on};
use portcullis_oauth::random_handle;

use crate::{Event, redact};

/// The paper trail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trail {
    database: Database,
}

impl Trail {
    /// The trail kept in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Commits an event.
    ///
    /// # Errors
    /// When it could not be committed; what needs an event to be allowed must then not happen.
    pub async fn record(&self, event: Event) -> Result<(), DatabaseError> {
        let detail = if event.detail.is_null() { None } else { Some(redact(&event.detail).to_string()) };
        tracing::info!(
            target: "audit",
            action = event.action.as_str(),
            outcome = event.outcome.as_str(),
            reason = event.reason,
            principal = event.principal.as_ref().map(tracing::field::display),
            client = event.client.as_ref().map(tracing::field::debug),
            tool = event.tool.as_ref().map(tracing::field::debug),
            trace_id = event.trace_id,
        );
        on!(self.database.write(), |pool| {
            sqlx::query(
            "INSERT INTO audit_event (id, at, action, outcome, reason, principal_id, client_id, connection_id, tool, \
             trace_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        )
        .bind(random_handle("evt_"))
        .bind(event.at)
        .bind(event.action.as_str())
        .bind(event.outcome.as_str())
        .bind(event.reason)
        .bind(event.principal)
        .bind(event.client)
        .bind(event.connection)
        .bind(event.tool.map(|tool| tool.chars().filter(|c| !c.is_control()).take(200).collect::<String>()))
        .bind(event.trace_id)
        .bind(detail)
        .execute(pool)
        .await
        .map(drop)
        })?;
        Ok(())
    }

    /// Commits an event whose answer must leave in any case; a failure is told to the log.
    pub async fn note(&self, event: Event) {
        if let Err(error) = self.record(event).await {
            tracing::error!(cause = ?error, "an audit event could not be committed");
        }
    }
}
