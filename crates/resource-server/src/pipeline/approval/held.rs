//! Requests that are held until somebody decides: the legs of a call of the stateless era, and a call of a session whose
//! client was asked in the middle of it. Each is bounded in time, and in number of each user and of all.

use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Obtained, Step, words};
use crate::approvals::{Approval, ApprovalState, Digest, Inbox, Verdict};
use crate::errand::Dispatch;
use crate::pipeline::answer::Answer;
use crate::policy::Held;
use crate::refusal::Refusal;
use crate::round::Ticket;

/// So often a call of the stateless era is held: SDKs give up after ten rounds, of which the first only asks.
const LEGS: i64 = 9;

/// What a client says its user answered to a question of ours.
enum Said {
    /// Nothing yet.
    Nothing,
    /// They looked at it; or, where that is enough, they agreed.
    Accepted { decision: Option<Verdict> },
    /// They said no.
    Declined,
    /// They closed it.
    Cancelled,
}

impl Said {
    fn of(answer: Option<&Value>) -> Self {
        let Some(answer) = answer else { return Self::Nothing };
        match answer.get("action").and_then(Value::as_str) {
            Some("accept") => Self::Accepted {
                decision: match answer.pointer("/content/decision").and_then(Value::as_str) {
                    Some("approve") => Some(Verdict::Approve),
                    Some("deny") => Some(Verdict::Deny),
                    _ => None,
                },
            },
            Some("decline") => Self::Declined,
            Some("cancel") => Self::Cancelled,
            _ => Self::Nothing,
        }
    }
}

impl Step<'_> {
    /// A request that waits for an approval and says so. What became of that is told once and for all.
    pub(super) async fn next_leg(
        &self,
        held: Held<Dispatch>,
        (ticket, digest): (Ticket, Digest),
        was_held: bool,
    ) -> Result<Obtained, Refusal> {
        let approvals = &self.caller.gateway.approvals;
        let inbox = Inbox { who: Some(&self.caller.bearer.principal().id), approver: false };
        let found = approvals.find(&ticket.approval, inbox).await;
        let approval = found.map_err(|error| Refusal::unavailable(&error))?.ok_or_else(words::gone)?;
        let live = matches!(approval.state, ApprovalState::Pending | ApprovalState::Approved);
        if live && !(approval.is_for(&digest) && self.suffices(&approval)) {
            // T45: the tool is described otherwise by now, say, or the policy wants more.
            approvals.void(&approval.id).await.map_err(|error| Refusal::unavailable(&error))?;
            return Err(words::void());
        }
        match approval.state {
            ApprovalState::Pending => self.wait_for_decision(approval, ticket.step, was_held).await,
            ApprovalState::Approved => self.use_up(held, &approval, digest).await,
            ApprovalState::Denied | ApprovalState::Declined => Err(words::denied(&approval)),
            ApprovalState::Expired => Err(words::expired()),
            ApprovalState::Lapsed => Err(words::lapsed()),
            ApprovalState::Void => Err(words::void()),
            ApprovalState::Consumed if !was_held => self.wait_for_end(approval, ticket.step).await,
            _ => self.told_again(&approval).await,
        }
    }

    async fn wait_for_decision(
        &self,
        approval: Approval,
        leg: i64,
        was_held: bool,
    ) -> Result<Obtained, Refusal> {
        let answer = self.call.responses.as_ref().and_then(|responses| responses.get("approval"));
        let approval = match Said::of(answer) {
            Said::Declined => return Err(words::denied(&self.said(&approval, Verdict::Deny).await?)),
            Said::Cancelled => return Err(words::dismissed(&approval)),
            // MRTR-7: what was not answered is asked again.
            Said::Nothing if leg == 1 => {
                return Ok(Obtained::Answer(Answer::Result(self.round(&approval, 1))));
            }
            Said::Accepted { decision: Some(verdict) } if self.client_decides() && !was_held => {
                self.said(&approval, verdict).await?
            }
            Said::Accepted { .. } | Said::Nothing => approval,
        };
        if approval.state != ApprovalState::Pending {
            return Ok(Obtained::JudgeAgain);
        }
        let place = self.caller.gateway.waits.take(&approval.principal);
        if was_held || place.is_none() || !self.line.begin().await {
            return Err(self.pending(&approval));
        }
        let until = Instant::now() + self.caller.gateway.patience.leg;
        let waited = self.caller.gateway.approvals.wait(&approval.id, ApprovalState::Pending, until).await;
        drop(place);
        let waited = waited.map_err(|error| Refusal::unavailable(&error))?.ok_or_else(words::gone)?;
        if waited.state != ApprovalState::Pending {
            return Ok(Obtained::JudgeAgain);
        }
        if leg >= LEGS {
            return Err(self.pending(&waited));
        }
        Ok(Obtained::Answer(Answer::Result(self.round(&waited, leg + 1))))
    }

    /// The call is under way for another request: its end is worth waiting for.
    async fn wait_for_end(&self, approval: Approval, leg: i64) -> Result<Obtained, Refusal> {
        let Some(_place) = self.caller.gateway.waits.take(&approval.principal) else {
            return Err(words::under_way(&approval));
        };
        if !self.line.begin().await {
            return Err(words::under_way(&approval));
        }
        let until = Instant::now() + self.caller.gateway.patience.leg;
        let waited = self.caller.gateway.approvals.wait(&approval.id, ApprovalState::Consumed, until).await;
        let waited = waited.map_err(|error| Refusal::unavailable(&error))?.ok_or_else(words::gone)?;
        if waited.state == ApprovalState::Consumed && leg < LEGS {
            return Ok(Obtained::Answer(Answer::Result(self.round(&waited, leg + 1))));
        }
        self.told_again(&waited).await
    }

    /// What a call that was made gave, or what is known of it.
    async fn told_again(&self, approval: &Approval) -> Result<Obtained, Refusal> {
        let now = self.caller.gateway.clock.now();
        let kept = self.caller.gateway.approvals.result(approval, now).await;
        match kept.map_err(|error| Refusal::unavailable(&error))? {
            Some(reply) => Ok(Obtained::Answer(Answer::Result(reply))),
            None => Err(words::under_way(approval)),
        }
    }

    /// Asks in the middle of a call, and holds it meanwhile.
    pub(super) async fn question(&self, approval: &Approval) -> Result<Obtained, Refusal> {
        let Some(_place) = self.caller.gateway.waits.take(&approval.principal) else {
            return Err(self.pending(approval));
        };
        let (cancelled, id) = (CancellationToken::new(), self.case.id.as_ref());
        let id = id.map(|id| id.as_value().to_string());
        let underway = &self.caller.gateway.underway;
        let _entry = self
            .caller
            .session
            .as_ref()
            .zip(id)
            .map(|(session, id)| underway.begin(session.id(), &id, cancelled.clone()));
        let until = Instant::now() + self.caller.gateway.patience.question;
        tokio::select! {
            obtained = self.asked(approval, until) => obtained,
            // Who stops waiting decides nothing.
            () = cancelled.cancelled() => Err(words::dismissed(approval)),
        }
    }

    async fn asked(&self, approval: &Approval, until: Instant) -> Result<Obtained, Refusal> {
        let wait = || self.caller.gateway.approvals.wait(&approval.id, ApprovalState::Pending, until);
        let answer = tokio::select! {
            answer = timeout_at(until, self.line.ask("elicitation/create", self.params(approval))) => answer,
            waited = wait() => {
                let state = waited.map_err(|error| Refusal::unavailable(&error))?.map(|approval| approval.state);
                return if state == Some(ApprovalState::Pending) { Err(self.pending(approval)) } else { Ok(Obtained::JudgeAgain) };
            }
        };
        let answer: Option<Value> = match answer {
            Ok(Ok(raw)) => serde_json::from_str(raw.get()).ok(),
            _ => None,
        };
        let approval = match Said::of(answer.as_ref()) {
            Said::Declined => return Err(words::denied(&self.said(approval, Verdict::Deny).await?)),
            Said::Cancelled => return Err(words::dismissed(approval)),
            Said::Accepted { decision: Some(verdict) } if self.client_decides() => {
                self.said(approval, verdict).await?
            }
            Said::Accepted { .. } => approval.clone(),
            Said::Nothing => return Err(self.pending(approval)),
        };
        if approval.state != ApprovalState::Pending {
            return Ok(Obtained::JudgeAgain);
        }
        let waited = wait().await.map_err(|error| Refusal::unavailable(&error))?;
        match waited {
            Some(waited) if waited.state == ApprovalState::Pending => Err(self.pending(&waited)),
            _ => Ok(Obtained::JudgeAgain),
        }
    }
}
