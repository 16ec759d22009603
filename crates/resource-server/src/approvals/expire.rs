//! What ends by itself: approvals that nobody decided or used in time, that something else made void, and calls that were
//! cut off. Each has its line in the paper trail, once, whoever notices it first.

use portcullis_audit::{ApprovalEvent, Outcome};
use portcullis_database::{DatabaseError, on};
use portcullis_oauth::{ApprovalId, Seconds, Timestamp};

use super::{ApprovalState, Approvals, Row, UNUSED, event};

/// An upstream has so long to answer, and its server to ask back; what has no end then was cut off.
const LONGEST: Seconds = Seconds::minutes(11);
/// So long history is kept.
const KEPT: Seconds = Seconds::days(90);

impl Approvals {
    /// Notes of one approval what its time or its surroundings made of it.
    pub(super) async fn settle(&self, id: &ApprovalId) -> Result<(), DatabaseError> {
        let now = self.0.clock.now();
        let Some(row) = self.row(id).await? else { return Ok(()) };
        match (row.state, row.at(now).state) {
            (before, after) if before == after => Ok(()),
            (_, after) => self.turn(&row, after, now).await,
        }
    }

    /// Makes an approval that is still to be used good for nothing: what it was for changed.
    pub(crate) async fn void(&self, id: &ApprovalId) -> Result<(), DatabaseError> {
        let Some(row) = self.row(id).await? else { return Ok(()) };
        self.turn(&row, ApprovalState::Void, self.0.clock.now()).await
    }

    /// Takes `row` from the state in which it was read to `to`, unless somebody was faster.
    async fn turn(&self, row: &Row, to: ApprovalState, now: Timestamp) -> Result<(), DatabaseError> {
        let mut transaction = self.0.database.begin().await?;
        // Who decides at the last moment and who finds the time over look at the same edge from its two sides.
        let turned: Option<Row> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE approval SET state = $3, ended_at = $4 WHERE id = $1 AND state = $2 \
             AND ($3 <> 'expired' OR expires_at <= $4) AND ($3 <> 'lapsed' OR decided_at <= $5) RETURNING *"
        )
        .bind(&row.id)
        .bind(row.state.as_str())
        .bind(to.as_str())
        .bind(now)
        .bind(now.minus(UNUSED))
        .fetch_optional(executor)
        .await)?;
        let Some(turned) = turned else { return Ok(()) };
        let (what, outcome, reason) = match to {
            ApprovalState::Expired => (ApprovalEvent::Expired, Outcome::Done, "approval_expired"),
            ApprovalState::Lapsed => (ApprovalEvent::Expired, Outcome::Done, "approval_lapsed"),
            ApprovalState::Void => (ApprovalEvent::Refused, Outcome::Refused, "approval_void"),
            _ => (ApprovalEvent::Executed, Outcome::Failed, "outcome_unknown"),
        };
        let event = event(&turned, now, (what, outcome)).because(reason);
        self.commit(transaction, &turned, event).await
    }

    /// Notes everything that is over, and deletes what is long past.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        for row in self.over(now).await? {
            self.turn(&row, row.at(now).state, now).await?;
        }
        for row in self.void_by_now().await? {
            self.turn(&row, ApprovalState::Void, now).await?;
        }
        for row in self.cut_off(now).await? {
            self.turn(&row, ApprovalState::OutcomeUnknown, now).await?;
        }
        self.forget_results(now).await?;
        let sql =
            "DELETE FROM approval WHERE id IN (SELECT id FROM approval WHERE created_at < $1 LIMIT 500)";
        self.0.database.sweep(sql, now.minus(KEPT)).await
    }

    async fn over(&self, now: Timestamp) -> Result<Vec<Row>, DatabaseError> {
        Ok(on!(self.0.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM approval WHERE (state = 'pending' AND expires_at <= $1) \
             OR (state = 'approved' AND decided_at <= $2) LIMIT 500"
        )
        .bind(now)
        .bind(now.minus(UNUSED))
        .fetch_all(pool)
        .await)?)
    }

    /// Those whose connection is gone. What else may have changed is seen when the call comes.
    async fn void_by_now(&self) -> Result<Vec<Row>, DatabaseError> {
        Ok(on!(self.0.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM approval WHERE state IN ('pending', 'approved') \
             AND NOT EXISTS (SELECT 1 FROM connection c WHERE c.id = approval.connection_id) LIMIT 500"
        )
        .fetch_all(pool)
        .await)?)
    }

    /// Those whose call was begun too long ago, or by this node before it started anew.
    async fn cut_off(&self, now: Timestamp) -> Result<Vec<Row>, DatabaseError> {
        Ok(on!(self.0.database.read(), |pool| sqlx::query_as(
            "SELECT * FROM approval WHERE state IN ('consumed', 'asking') AND consumed_at < $1 \
             UNION ALL SELECT * FROM approval WHERE state = 'consumed' AND node = $2 AND consumed_at < $3 \
             AND consumed_at >= $1 LIMIT 500"
        )
        .bind(now.minus(LONGEST))
        .bind(self.0.database.node())
        .bind(self.0.started)
        .fetch_all(pool)
        .await)?)
    }
}
