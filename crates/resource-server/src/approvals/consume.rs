//! Using an approval up: one statement, one winner (T42). What was begun gets its end, and a retry that can prove what it
//! belongs to reads the result for a minute.

use portcullis_audit::{ApprovalEvent, Outcome};
use portcullis_database::{DatabaseError, on};
use portcullis_oauth::{ApprovalId, Seconds, Timestamp};
use serde_json::json;

use super::request::place;
use super::{Approval, ApprovalState, Approvals, Digest, Row, UNUSED, event};
use crate::reply::Reply;

/// So long a result is kept for a retry.
const KEPT: Seconds = Seconds(60);
/// Larger results are not kept, in bytes.
const LARGEST: usize = 256 * 1024;

/// An approval that was used up by whoever holds this: the one right to one dispatch.
#[derive(Debug)]
pub(crate) struct Consumed {
    id: ApprovalId,
    level: u8,
    round: i64,
}

/// How a call ended that used an approval.
#[derive(Debug)]
pub(crate) enum Ended<'a> {
    /// With this result.
    Ok(&'a Reply),
    /// With this failure, if the upstream said it.
    Error(Option<&'a Reply>),
    /// Cut off.
    Unknown,
}

impl Consumed {
    fn of(row: &Row) -> Self {
        let level = row.decided_level.and_then(|level| u8::try_from(level).ok()).unwrap_or_default();
        Self { id: row.id.clone(), level, round: row.round }
    }

    /// The assurance that it gives.
    pub(crate) const fn level(&self) -> u8 {
        self.level
    }

    /// Which, and in which round of its call.
    pub(crate) fn ticket(&self) -> (ApprovalId, i64) {
        (self.id.clone(), self.round)
    }
}

impl Approvals {
    /// Uses an approval up for the call of this digest. `None`: it was used, is over, or is another call's.
    pub(crate) async fn consume(
        &self,
        id: &ApprovalId,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<Consumed>, DatabaseError> {
        let mut transaction = self.0.database.begin().await?;
        let consumed: Option<Row> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE approval SET state = 'consumed', consumed_at = $3, node = $4 \
             WHERE id = $1 AND digest = $2 AND state = 'approved' AND decided_at > $5 RETURNING *"
        )
        .bind(id)
        .bind(digest.as_str())
        .bind(now)
        .bind(self.0.database.node())
        .bind(now.minus(UNUSED))
        .fetch_optional(executor)
        .await)?;
        let Some(row) = consumed else { return Ok(None) };
        self.commit(transaction, &row, event(&row, now, (ApprovalEvent::Consumed, Outcome::Started))).await?;
        Ok(Some(Consumed::of(&row)))
    }

    /// Goes on with a call whose server asked back, in the round that it asked in. Each round is good for one answer.
    pub(crate) async fn go_on(
        &self,
        (id, round): (&ApprovalId, i64),
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<Consumed>, DatabaseError> {
        let mut transaction = self.0.database.begin().await?;
        let row: Option<Row> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE approval SET state = 'consumed', consumed_at = $4, node = $5, round = round + 1 \
             WHERE id = $1 AND digest = $2 AND state = 'asking' AND round = $3 RETURNING *"
        )
        .bind(id)
        .bind(digest.as_str())
        .bind(round)
        .bind(now)
        .bind(self.0.database.node())
        .fetch_optional(executor)
        .await)?;
        let Some(row) = row else { return Ok(None) };
        let event = event(&row, now, (ApprovalEvent::Consumed, Outcome::Started));
        self.commit(transaction, &row, event.with(json!({ "round": row.round }))).await?;
        Ok(Some(Consumed::of(&row)))
    }

    /// Notes that the server of a call asks back; an approval that is used up goes with the next round.
    pub(crate) async fn asks(&self, consumed: &Consumed) -> Result<(), DatabaseError> {
        on!(self.0.database.write(), |pool| sqlx::query(
            "UPDATE approval SET state = 'asking' WHERE id = $1 AND state = 'consumed' AND round = $2"
        )
        .bind(&consumed.id)
        .bind(consumed.round)
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }

    /// Notes how a call ended.
    pub(crate) async fn end(&self, consumed: &Consumed, ended: Ended<'_>) -> Result<(), DatabaseError> {
        let now = self.0.clock.now();
        let (state, outcome, reply) = match ended {
            Ended::Ok(reply) => (ApprovalState::ExecutedOk, Outcome::Done, Some(reply)),
            Ended::Error(reply) => (ApprovalState::ExecutedError, Outcome::Failed, reply),
            Ended::Unknown => (ApprovalState::OutcomeUnknown, Outcome::Failed, None),
        };
        let result = reply.map(Reply::text).filter(|text| text.len() <= LARGEST);
        let sealed = result.map(|text| self.0.key.seal(text.as_bytes(), &place(&consumed.id, "result")));
        let mut transaction = self.0.database.begin().await?;
        // A node that started anew may have given it up too early.
        let row: Option<Row> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE approval SET state = $2, ended_at = $3, result = $4 \
             WHERE id = $1 AND state IN ('consumed', 'outcome_unknown') RETURNING *"
        )
        .bind(&consumed.id)
        .bind(state.as_str())
        .bind(now)
        .bind(&sealed)
        .fetch_optional(executor)
        .await)?;
        let Some(row) = row else { return Ok(()) };
        let event = event(&row, now, (ApprovalEvent::Executed, outcome)).because(state.as_str());
        self.commit(transaction, &row, event).await
    }

    /// The result of a call that ended just now, for a retry of it.
    pub(crate) async fn result(
        &self,
        approval: &Approval,
        now: Timestamp,
    ) -> Result<Option<Reply>, DatabaseError> {
        if approval.ended_at.is_none_or(|ended| now >= ended.plus(KEPT)) {
            return Ok(None);
        }
        let sealed = self.row(&approval.id).await?.and_then(|row| row.result);
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.0.key.open(&sealed, &place(&approval.id, "result")).ok();
        Ok(opened
            .and_then(|text| serde_json::from_slice(&text).ok())
            .map(|value: serde_json::Value| value.into()))
    }

    /// Forgets the results that no retry may read any more.
    pub(super) async fn forget_results(&self, now: Timestamp) -> Result<(), DatabaseError> {
        on!(self.0.database.write(), |pool| sqlx::query(
            "UPDATE approval SET result = NULL WHERE result IS NOT NULL AND ended_at < $1"
        )
        .bind(now.minus(KEPT))
        .execute(pool)
        .await
        .map(drop))?;
        Ok(())
    }
}
