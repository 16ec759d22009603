//! Where events go: a row that is committed before the answer leaves, and a line in the log.

use std::sync::Arc;

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_limits::{Limiter, Quota, Verdict};
use portcullis_oauth::{Seconds, Timestamp, random_handle};

use crate::Event;
use crate::group::{self, Group};

/// Events are kept so long.
const KEPT: Seconds = Seconds::days(90);
/// A call that was begun so long ago and has no end was cut off.
const CUT_OFF: Seconds = Seconds::minutes(2);
/// How many events of nobody in particular are kept a minute, by action. Beyond it they go to the log alone, so that a stranger
/// who knocks all day does not fill the disk.
const ANONYMOUS: Quota = Quota::per_minute(600);

/// Commits an event with the change that it tells of: both or neither.
///
/// # Errors
/// When the row cannot be written.
pub async fn record_in(transaction: &mut Transaction, event: Event) -> Result<(), DatabaseError> {
    tell_log(&event);
    group::insert_in(transaction, &event).await
}

/// The paper trail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trail {
    database: Database,
    group: Group,
    anonymous: Arc<Limiter>,
}

impl Trail {
    /// The trail kept in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            group: Group::over(database.clone()),
            database,
            anonymous: Arc::new(Limiter::new(ANONYMOUS, 64)),
        }
    }

    /// Commits an event, together with others that wait at the same moment.
    ///
    /// # Errors
    /// When it could not be committed; what needs an event to be allowed must then not happen.
    pub async fn record(&self, event: Event) -> Result<(), DatabaseError> {
        tell_log(&event);
        if event.principal.is_none()
            && self.anonymous.check(event.action.as_str(), event.at) != Verdict::Allowed
        {
            return Ok(());
        }
        self.group.commit(event).await
    }

    /// Commits an event whose answer must leave in any case; a failure is told to the log.
    pub async fn note(&self, event: Event) {
        if let Err(error) = self.record(event).await {
            tracing::error!(cause = ?error, "an audit event could not be committed");
        }
    }

    /// Puts an end under calls that were begun and cut off, by a crash for instance: what became of them is not known.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn close_interrupted(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let open: Vec<(String,)> = on!(self.database.read(), |pool| {
            sqlx::query_as(
            "SELECT b.id FROM audit_event b WHERE b.outcome = 'started' AND b.action = 'tools.call' AND b.at < $1 \
             AND b.at > $2 AND NOT EXISTS (SELECT 1 FROM audit_event e WHERE e.trace_id = b.trace_id \
             AND e.action = b.action AND e.outcome <> 'started') LIMIT 1000"
        )
        .bind(now.minus(CUT_OFF))
        .bind(now.minus(Seconds::days(1)))
        .fetch_all(pool)
        .await
        })?;
        for (id,) in open {
            on!(self.database.write(), |pool| {
                sqlx::query(
                "INSERT INTO audit_event (id, at, action, outcome, reason, principal_id, client_id, connection_id, tool, \
                 trace_id) SELECT $2, $3, action, 'failed', 'outcome_unknown', principal_id, client_id, connection_id, \
                 tool, trace_id FROM audit_event WHERE id = $1"
            )
            .bind(&id)
            .bind(random_handle("evt_"))
            .bind(now)
            .execute(pool)
            .await
            .map(drop)
            })?;
        }
        Ok(())
    }

    /// Deletes what is older than 90 days.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM audit_event WHERE id IN (SELECT id FROM audit_event WHERE at < $1 LIMIT 500)";
        self.database.sweep(sql, now.minus(KEPT)).await
    }
}

fn tell_log(event: &Event) {
    tracing::info!(
        target: "audit",
        action = event.action.as_str(),
        outcome = event.outcome.as_str(),
        reason = event.reason,
        principal = event.principal.as_ref().map(tracing::field::display),
        client = event.client.as_ref().map(tracing::field::display),
        tool = event.tool.as_ref().map(tracing::field::debug),
        trace_id = event.trace_id,
    );
}
