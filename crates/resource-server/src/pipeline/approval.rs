//! Step 14: a call that a person has to agree to. It is asked for, its client is told in the best way that it understands
//! ([`delivery`]), and once somebody agreed a live request, judged anew, uses the approval up (spec: approvals, sections 3
//! and 4). Nothing here executes: the right to do so is [`Permission`], and it is redeemed where the call is dispatched.

mod delivery;
mod held;
mod words;

use serde_json::Value;

use super::answer::Answer;
use super::call::Call;
use super::case::Case;
use super::{Caller, limit};
use crate::approvals::{
    Approval, ApprovalState, Asked, Consumed, Decided, Decider, Digest, How, Verdict, Wanted,
};
use crate::errand::{Dispatch, Errand};
use crate::gateway::Inner;
use crate::line::Line;
use crate::policy::{Held, Need, Permitted};
use crate::refusal::Refusal;
use crate::relay::Secrets;
use crate::round::{Stage, Ticket};

/// What came of asking for an approval.
pub(super) enum Obtained {
    /// The call may be made.
    Permission(Permission),
    /// The client has to come again.
    Answer(Answer),
    /// Somebody decided while the request was held.
    JudgeAgain,
}

/// The right to one call.
pub(super) enum Permission {
    /// The policy alone gives it.
    Given(Box<Permitted<Dispatch>>),
    /// An approval gives it, if it was not used by then.
    Approved(Box<Claim>),
}

/// An approval that is to be used up.
pub(super) struct Claim {
    held: Held<Dispatch>,
    ticket: Ticket,
    digest: Digest,
}

impl Permission {
    /// What may be dispatched now. Call it where the dispatch follows, in work that nobody can drop in between.
    pub(super) async fn redeem(
        self,
        gateway: &Inner,
    ) -> Result<(Permitted<Dispatch>, Option<Consumed>), Refusal> {
        let Claim { held, ticket: Ticket { approval, stage, step }, digest } = match self {
            Self::Given(permitted) => return Ok((*permitted, None)),
            Self::Approved(claim) => *claim,
        };
        // Boxed: most calls need none of it.
        let (approvals, now) = (&gateway.approvals, gateway.clock.now());
        let consumed = match stage {
            Stage::Waiting => Box::pin(approvals.consume(&approval, &digest, now)).await,
            Stage::Asking => Box::pin(approvals.go_on((&approval, step), &digest, now)).await,
        };
        let consumed = consumed.map_err(|error| Refusal::unavailable(&error))?.ok_or_else(words::used)?;
        let permitted = held.released_by(&consumed).ok_or_else(words::used)?;
        Ok((permitted, Some(consumed)))
    }
}

/// A call that needs an approval.
pub(super) struct Step<'a> {
    pub(super) caller: &'a Caller,
    pub(super) case: &'a Case,
    pub(super) line: &'a Line,
    pub(super) call: &'a Call,
    pub(super) need: &'a Need,
}

impl Step<'_> {
    /// Obtains it, or says what has to happen first. One that `was_held` before is not held again.
    pub(super) async fn obtain(self, held: Held<Dispatch>, was_held: bool) -> Result<Obtained, Refusal> {
        let Dispatch { errand: Errand::Tool { .. }, .. } = held.action() else {
            return Err(self.call.form.not_approvable(self.need));
        };
        let issuer = self.caller.gateway.registry.public_url();
        let description = self.call.tool.as_ref().map(|tool| &tool.description);
        let digest = Digest::of(issuer, &self.caller.bearer, held.action(), description);
        match self.call.ticket.clone() {
            Some(ticket) if ticket.stage == Stage::Asking => Ok(claim(held, ticket, digest)),
            Some(ticket) => self.next_leg(held, (ticket, digest), was_held).await,
            None => self.first(held, digest, was_held).await,
        }
    }

    /// A request that brings no word of an approval: one may stand for exactly this call.
    async fn first(&self, held: Held<Dispatch>, digest: Digest, was_held: bool) -> Result<Obtained, Refusal> {
        let approvals = &self.caller.gateway.approvals;
        let standing = approvals.standing(&digest, self.case.now).await;
        let standing = standing.map_err(|error| Refusal::unavailable(&error))?;
        let approval = match standing {
            Some(denied) if matches!(denied.state, ApprovalState::Denied | ApprovalState::Declined) => {
                return Err(words::denied(&denied));
            }
            Some(approval) if self.suffices(&approval) => approval,
            weaker => {
                if let Some(weaker) = weaker {
                    // The policy wants more by now.
                    approvals.void(&weaker.id).await.map_err(|error| Refusal::unavailable(&error))?;
                }
                self.ask(held.action(), &digest).await?
            }
        };
        if approval.state == ApprovalState::Approved {
            return self.use_up(held, &approval, digest).await;
        }
        self.deliver(&approval, was_held).await
    }

    /// Whether an approval, given or to be given, is as sure as the policy wants it.
    fn suffices(&self, approval: &Approval) -> bool {
        let given = approval.decision.as_ref().map(|decision| decision.level);
        given.unwrap_or(approval.level) >= self.need.level.level()
    }

    async fn ask(&self, dispatch: &Dispatch, digest: &Digest) -> Result<Approval, Refusal> {
        let Dispatch { connection, errand, .. } = dispatch;
        let gateway = &self.caller.gateway;
        // A call that is approved is counted when it is made, too: asking is the other half (TOOL-10).
        limit::tool(self.caller, connection, &self.call.own, self.case.now).await?;
        let stored = gateway.credentials.all(&connection.id).await;
        let mut secrets = Secrets::default();
        stored
            .map_err(|error| Refusal::unavailable(&error))?
            .values()
            .for_each(|one| secrets.add(one.expose()));
        let arguments = match errand {
            Errand::Tool { arguments, .. } => secrets.removed_from_value(Value::Object(arguments.clone())),
            _ => Value::Null,
        };
        let wanted = Wanted {
            bearer: &self.caller.bearer,
            connection,
            tool: &self.call.own,
            arguments,
            need: self.need,
            session: self.caller.session.as_ref().map(crate::session::Session::id),
        };
        match gateway.approvals.request(digest, wanted, self.case.now).await {
            Ok(Asked::Made(approval)) => {
                gateway.notices.tell(&approval);
                Ok(approval)
            }
            Ok(Asked::Found(approval)) => Ok(approval),
            Ok(Asked::Full) => Err(words::full()),
            Err(error) => Err(Refusal::unavailable(&error)),
        }
    }

    /// The call is made with this approval, if nobody was faster.
    async fn use_up(
        &self,
        held: Held<Dispatch>,
        approval: &Approval,
        digest: Digest,
    ) -> Result<Obtained, Refusal> {
        limit::tool(self.caller, &self.call.connection, &self.call.own, self.case.now).await?;
        let ticket = Ticket { approval: approval.id.clone(), stage: Stage::Waiting, step: 0 };
        Ok(claim(held, ticket, digest))
    }

    /// The client's own word for its user. A "no" always counts; a "yes" only where the policy is content with it.
    async fn said(&self, approval: &Approval, verdict: Verdict) -> Result<Approval, Refusal> {
        let who = &self.caller.bearer.principal().id;
        let decider = Decider { who, how: How::Client, approver: false };
        let decided = self.caller.gateway.approvals.decide(&approval.id, verdict, decider).await;
        match decided.map_err(|error| Refusal::unavailable(&error))? {
            Decided::Now(approval) | Decided::Over(approval) => Ok(approval),
            Decided::NotEnough(_) | Decided::Unknown => Ok(approval.clone()),
        }
    }
}

fn claim(held: Held<Dispatch>, ticket: Ticket, digest: Digest) -> Obtained {
    Obtained::Permission(Permission::Approved(Box::new(Claim { held, ticket, digest })))
}
