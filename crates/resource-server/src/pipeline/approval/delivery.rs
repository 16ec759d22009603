//! The ladder: in which way a client learns that its call waits for a person, by its revision and by what it can be asked
//! (spec: approvals, section 3). The first that applies is taken; the last applies always.

use serde_json::{Value, json};

use super::{Obtained, Step, words};
use crate::approvals::Approval;
use crate::pipeline::answer::Answer;
use crate::protocol::{Era, Revision, code, result};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::round::{Stage, Ticket};
use portcullis_oauth::{Seconds, Timestamp};
use portcullis_policy::Assurance;

/// A state opens for so long after nobody can decide any more: an approval of the last moment can still be used, and who
/// comes after that is told what became of it. The row decides in any case.
const AFTERWARDS: Seconds = Seconds(180);

/// A way to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The result of a round: an address to open.
    Address,
    /// The result of a round: a form with the match code.
    Form,
    /// The error of 2025-11-25 with an address to open.
    AddressError,
    /// A question in the middle of the call.
    Question,
    /// Text for the model.
    Text,
}

impl Step<'_> {
    /// The best way for this client.
    pub(super) fn way(&self) -> Way {
        let able = self.line.able();
        match self.caller.era {
            Era::Stateless if able.urls => Way::Address,
            Era::Stateless if able.forms => Way::Form,
            Era::Stateless => Way::Text,
            Era::Session => {
                let revision = self.caller.session.as_ref().and_then(crate::session::Session::revision);
                // ELIC-8: the error exists in one revision alone.
                if able.urls && revision == Some(Revision::V2025_11_25) {
                    Way::AddressError
                } else if self.line.asking().forms {
                    Way::Question
                } else {
                    Way::Text
                }
            }
        }
    }

    /// Tells the client of a call that waits.
    pub(super) async fn deliver(&self, approval: &Approval, was_held: bool) -> Result<Obtained, Refusal> {
        match self.way() {
            Way::Address | Way::Form => Ok(Obtained::Answer(Answer::Result(self.round(approval, 1)))),
            Way::AddressError => Err(self.address_error(approval)),
            Way::Question if !was_held => self.question(approval).await,
            Way::Question | Way::Text => Err(self.pending(approval)),
        }
    }

    /// The result of a round. The first leg asks; those after it only wait, since asking again would prompt again.
    pub(super) fn round(&self, approval: &Approval, leg: i64) -> Reply {
        let mut reply = Reply::default().with("resultType", &json!("input_required"));
        if leg == 1 {
            let params = self.params(approval);
            reply.set(
                "inputRequests",
                &json!({"approval": {"method": "elicitation/create", "params": params}}),
            );
        }
        reply.set("requestState", &Value::from(self.state(approval, leg)));
        result::complete(self.caller.era, reply)
    }

    fn state(&self, approval: &Approval, leg: i64) -> String {
        let now: Timestamp = self.caller.gateway.clock.now();
        let ticket = Ticket { approval: approval.id.clone(), stage: Stage::Waiting, step: leg };
        let until = approval.expires_at.plus(AFTERWARDS);
        self.caller.gateway.rounds.waiting(&self.call.binding, ticket, until, now)
    }

    /// The question, as this client can be asked it.
    pub(super) fn params(&self, approval: &Approval) -> Value {
        if matches!(self.way(), Way::Address | Way::AddressError) {
            return self.address(approval);
        }
        let schema = if self.client_decides() {
            json!({"type": "object", "required": ["decision"], "properties": {"decision": {
                "type": "string", "title": "Decision", "enum": ["approve", "deny"],
            }}})
        } else {
            json!({"type": "object", "properties": {}})
        };
        let message = if self.client_decides() {
            words::decide_here(approval)
        } else {
            words::open_and_return(approval)
        };
        json!({"mode": "form", "message": message, "requestedSchema": schema})
    }

    /// Whether the client's word is enough.
    pub(super) fn client_decides(&self) -> bool {
        self.need.level == Assurance::Client && self.way() != Way::Address
    }

    /// ELIC-3: the address is a name and nothing more. Clients of several SDKs want an `elicitationId` in every revision.
    fn address(&self, approval: &Approval) -> Value {
        json!({
            "mode": "url",
            "elicitationId": approval.id,
            "url": self.page(approval),
            "message": words::needs_approval(approval),
        })
    }

    fn page(&self, approval: &Approval) -> String {
        format!("{}/approvals/{}", self.caller.gateway.registry.public_url(), approval.id)
    }

    fn address_error(&self, approval: &Approval) -> Refusal {
        let refusal = Refusal::error("approval_needed", code::URL_ELICITATION, "Approval required");
        refusal.with_data(json!({"elicitations": [self.address(approval)]}))
    }

    /// The call waits; a model reads what to do.
    pub(super) fn pending(&self, approval: &Approval) -> Refusal {
        words::pending(approval, self.caller.gateway.registry.public_url())
    }
}
