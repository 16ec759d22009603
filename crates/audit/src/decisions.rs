//! The events of a policy's decisions, for a replay: one for each decision, with what it stood on where that was recorded.

use portcullis_database::{DatabaseError, on};
use portcullis_oauth::Timestamp;

use crate::Records;

/// The event of one decision.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DecisionRecord {
    /// When it was made.
    pub at: Timestamp,
    /// The record's own name.
    pub id: String,
    /// On whose behalf.
    pub principal_id: Option<String>,
    /// Under which trace id.
    pub trace_id: Option<String>,
    /// What it stood on, sealed; nothing in events from before that was recorded, and where a person's data were erased.
    pub request: Option<String>,
}

impl DecisionRecord {
    /// Where the page after this one begins.
    #[must_use]
    pub fn place(&self) -> (Timestamp, String) {
        (self.at, self.id.clone())
    }
}

impl Records {
    /// The next decisions from `since` on, the oldest first, behind the one at `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn decisions(
        &self,
        since: Timestamp,
        after: Option<(Timestamp, String)>,
        limit: u16,
    ) -> Result<Vec<DecisionRecord>, DatabaseError> {
        // A call has its decision in the event that begins it or refuses it; its end says nothing new.
        let sql = "SELECT at, id, principal_id, trace_id, request FROM audit_event \
            WHERE at >= $1 AND (at, id) > ($1, $2) AND (request IS NOT NULL \
            OR (action = 'tools.call' AND outcome IN ('started', 'refused') AND policy_version IS NOT NULL) \
            OR (action = 'tools.call' AND outcome = 'started' AND erased_by IS NOT NULL) \
            OR (action IN ('prompts.get', 'resources.read', 'completion') AND policy_version IS NOT NULL)) \
            ORDER BY at, id LIMIT $3";
        let (at, id) = after.unwrap_or((since, String::new()));
        Ok(on!(self.database().read(), |pool| sqlx::query_as(sql)
            .bind(at)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)?)
    }
}
