//! Deciding: once, in time, by somebody who may. Also the client's own word that its user decided against it, which is
//! honoured since it only takes away.

use portcullis_audit::{ApprovalEvent, Outcome};
use portcullis_database::{DatabaseError, on};
use portcullis_oauth::{ApprovalId, PrincipalId, PrincipalKind};
use portcullis_policy::Assurance;
use serde_json::json;

use super::{Approval, ApprovalState, Approvals, Row, event};

/// What somebody decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call may be made, once.
    Approve,
    /// It may not.
    Deny,
}

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// On the page, in their own browser session.
    Page,
    /// At the command line, with their password. Never a second person's decision.
    Command,
    /// The client says so.
    Client,
}

impl How {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Command => "command",
            Self::Client => "client",
        }
    }
}

/// Who decides. The caller has proven that it is them.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    /// Who.
    pub who: &'a PrincipalId,
    /// In which way.
    pub how: How,
    /// Whether they may decide for others.
    pub approver: bool,
}

impl Decider<'_> {
    /// How sure a decision of theirs about this call is; `None` when it is none of their business.
    pub(super) fn assurance(self, owner: &PrincipalId, level: u8) -> Option<Assurance> {
        let own = *self.who == *owner;
        let second = self.approver && !own && self.how == How::Page;
        match self.how {
            How::Client if own => Some(Assurance::Client),
            _ if own => Some(Assurance::Session),
            _ if second && needs_another(owner, level) => Some(Assurance::SecondPerson),
            _ => None,
        }
    }
}

/// Whether somebody else than the owner of a call may decide about it: one that needs a second person, or a machine's.
pub(super) fn needs_another(owner: &PrincipalId, level: u8) -> bool {
    level == Assurance::SecondPerson.level() || owner.kind() == PrincipalKind::Machine
}

/// What came of it.
#[derive(Debug)]
pub enum Decided {
    /// It is so.
    Now(Approval),
    /// It was over before: decided, expired or void.
    Over(Approval),
    /// It is theirs to see, and another person's to approve.
    NotEnough(Approval),
    /// There is none of this name for them.
    Unknown,
}

impl Approvals {
    /// Decides. Of several at the same moment one counts, and none after the time is over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn decide(
        &self,
        id: &ApprovalId,
        verdict: Verdict,
        decider: Decider<'_>,
    ) -> Result<Decided, DatabaseError> {
        let now = self.0.clock.now();
        let Some(row) = self.row(id).await? else { return Ok(Decided::Unknown) };
        let Some(assurance) = decider.assurance(&row.principal_id, row.at(now).level) else {
            return Ok(Decided::Unknown);
        };
        let enough = i64::from(assurance.level()) >= row.level;
        if verdict == Verdict::Approve && !enough {
            return Ok(Decided::NotEnough(row.at(now)));
        }
        let state = match (verdict, decider.how) {
            (Verdict::Approve, _) => ApprovalState::Approved,
            (Verdict::Deny, How::Client) => ApprovalState::Declined,
            (Verdict::Deny, _) => ApprovalState::Denied,
        };
        let mut transaction = self.0.database.begin().await?;
        let decided: Option<Row> = on!(transaction.on(), |executor| {
            sqlx::query_as(
            "UPDATE approval SET state = $2, decided_at = $3, decided_by = $4, decided_how = $5, decided_level = $6 \
             WHERE id = $1 AND state = 'pending' AND expires_at > $3 RETURNING *"
        )
        .bind(id)
        .bind(state.as_str())
        .bind(now)
        .bind(decider.who)
        .bind(decider.how.as_str())
        .bind(i64::from(assurance.level()))
        .fetch_optional(executor)
        .await
        })?;
        let Some(decided) = decided else {
            drop(transaction);
            let over = self.row(id).await?.map(|row| row.at(now));
            return Ok(over.map_or(Decided::Unknown, Decided::Over));
        };
        let told = event(&decided, now, (ApprovalEvent::Decided, Outcome::Done)).because(reason(state));
        let told =
            told.with(json!({"by": decider.who, "how": decider.how.as_str(), "level": assurance.level()}));
        self.commit(transaction, &decided, told).await?;
        Ok(Decided::Now(decided.at(now)))
    }

    /// Notes that somebody who may decide sees it, the first time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn show(&self, approval: &Approval, to: &PrincipalId) -> Result<(), DatabaseError> {
        let now = self.0.clock.now();
        let mut transaction = self.0.database.begin().await?;
        let shown: Option<Row> = on!(transaction.on(), |executor| sqlx::query_as(
            "UPDATE approval SET shown_at = $2 WHERE id = $1 AND shown_at IS NULL RETURNING *"
        )
        .bind(&approval.id)
        .bind(now)
        .fetch_optional(executor)
        .await)?;
        let Some(row) = shown else { return Ok(()) };
        let event = event(&row, now, (ApprovalEvent::Shown, Outcome::Done)).with(json!({ "to": to }));
        self.commit(transaction, &row, event).await
    }
}

const fn reason(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Approved => "approval_approved",
        ApprovalState::Declined => "approval_declined",
        _ => "approval_denied",
    }
}
