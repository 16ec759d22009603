//! An approval as its row says it.

use portcullis_oauth::{ApprovalId, ClientId, ConnectionId, GrantId, PrincipalId, SecretHash, Timestamp};

use super::{Approval, ApprovalState, Decision, UNUSED};

/// The row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: ApprovalId,
    pub(super) digest: String,
    pub(super) principal_id: PrincipalId,
    pub(super) client_id: ClientId,
    pub(super) grant_id: GrantId,
    pub(super) connection_id: ConnectionId,
    pub(super) alias: String,
    pub(super) server: String,
    pub(super) account: String,
    pub(super) tool: String,
    pub(super) risk: String,
    pub(super) rule: String,
    pub(super) reason: String,
    pub(super) level: i64,
    pub(super) arguments: String,
    pub(super) session_hash: Option<SecretHash>,
    #[sqlx(try_from = "String")]
    pub(super) state: ApprovalState,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) decided_at: Option<Timestamp>,
    pub(super) decided_by: Option<PrincipalId>,
    pub(super) decided_how: Option<String>,
    pub(super) decided_level: Option<i64>,
    pub(super) consumed_at: Option<Timestamp>,
    pub(super) round: i64,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) result: Option<String>,
}

impl Row {
    /// The approval as it stands at `now`: what is over is over before anybody has noted it.
    pub(super) fn at(&self, now: Timestamp) -> Approval {
        let level = |level: i64| u8::try_from(level).unwrap_or_default();
        let decision = self.decided_at.zip(self.decided_how.clone()).map(|(at, how)| Decision {
            at,
            by: self.decided_by.clone(),
            how,
            level: self.decided_level.map(level).unwrap_or_default(),
        });
        let state = match self.state {
            ApprovalState::Pending if now >= self.expires_at => ApprovalState::Expired,
            ApprovalState::Approved if self.decided_at.is_none_or(|at| now >= at.plus(UNUSED)) => {
                ApprovalState::Lapsed
            }
            state => state,
        };
        Approval {
            id: self.id.clone(),
            principal: self.principal_id.clone(),
            client: self.client_id.clone(),
            grant: self.grant_id.clone(),
            connection: self.connection_id.clone(),
            alias: self.alias.clone(),
            server: self.server.clone(),
            account: self.account.clone(),
            tool: self.tool.clone(),
            risk: self.risk.clone(),
            rule: self.rule.clone(),
            reason: self.reason.clone(),
            level: level(self.level),
            state,
            created_at: self.created_at,
            expires_at: self.expires_at,
            decision,
            consumed_at: self.consumed_at,
            ended_at: self.ended_at,
            session: self.session_hash.clone(),
            digest: self.digest.clone(),
        }
    }
}
