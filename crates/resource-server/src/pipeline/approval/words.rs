//! What clients and models are told of an approval. A model must be able to tell what happened, and what not to do.

use portcullis_oauth::{PublicUrl, Timestamp};
use serde_json::json;
use time::OffsetDateTime;

use crate::approvals::{Approval, ApprovalState, Approvals};
use crate::refusal::Refusal;

/// Where programs read what an answer means.
const NOTE: &str = "portcullis/approval";

/// A text for people behind a client with an address to open.
pub(super) fn needs_approval(approval: &Approval) -> String {
    let (what, until) = (what(approval), clock(approval.expires_at));
    format!("{what} needs {} before {until}. Code {}.", whose(approval), approval.code())
}

/// A form that only sends its reader to the page. No link: a form is no place for one.
pub(super) fn open_and_return(approval: &Approval) -> String {
    let (what, code, until) = (what(approval), approval.code(), clock(approval.expires_at));
    format!(
        "{what} needs {} before {until}. Open Approvals in your gateway, check that it shows the code {code}, decide there, then confirm here. Confirming here approves nothing.",
        whose(approval)
    )
}

/// A form that decides.
pub(super) fn decide_here(approval: &Approval) -> String {
    format!("May {} run now, once, with exactly these arguments? Code {}.", what(approval), approval.code())
}

fn what(approval: &Approval) -> String {
    format!("{} · {}", approval.alias, Approvals::plain(&approval.tool))
}

fn whose(approval: &Approval) -> &'static str {
    if approval.level >= 3 { "a second person's approval" } else { "your approval" }
}

/// The call waits, and this request does not.
pub(super) fn pending(approval: &Approval, gateway: &PublicUrl) -> Refusal {
    let (code, until) = (approval.code(), clock(approval.expires_at));
    let who = if approval.level >= 3 {
        "a second person's approval. They"
    } else {
        "the user's approval. The user"
    };
    let text = format!(
        "NOT EXECUTED. This call needs {who} can decide at {gateway}/approvals (code {code}) until {until}. After approval call the same tool again with exactly the same arguments. Do not change the arguments and do not try another tool."
    );
    told("approval_needed", text, approval)
}

/// Somebody said no.
pub(super) fn denied(approval: &Approval) -> Refusal {
    let reason =
        if approval.state == ApprovalState::Declined { "approval_declined" } else { "approval_denied" };
    let text = "NOT EXECUTED. The user denied this call. Do not retry it or work around it.";
    told(reason, text.to_owned(), approval)
}

/// The question was closed, not answered.
pub(super) fn dismissed(approval: &Approval) -> Refusal {
    let until = clock(approval.expires_at);
    let text = format!(
        "NOT EXECUTED. The user closed the question without deciding. They can still decide until {until}; only call again if they ask for it."
    );
    told("approval_dismissed", text, approval)
}

/// Nobody decided.
pub(super) fn expired() -> Refusal {
    let text =
        "NOT EXECUTED. There was no decision within 5 minutes; nothing was executed. A new call asks anew.";
    Refusal::tool("approval_expired", text)
}

/// It was approved, and no call came.
pub(super) fn lapsed() -> Refusal {
    let text =
        "NOT EXECUTED. The approval was not used within 2 minutes and has lapsed. A new call asks anew.";
    Refusal::tool("approval_lapsed", text)
}

/// What it was for has changed.
pub(super) fn void() -> Refusal {
    let text = "NOT EXECUTED. What was to be approved has changed meanwhile, so the approval is void. A new call asks anew.";
    Refusal::tool("approval_void", text)
}

/// Another request was faster.
pub(super) fn used() -> Refusal {
    let text = "NOT EXECUTED by this request: its approval was used by another one, or is over. An approval is good for one call.";
    Refusal::tool("approval_used", text)
}

/// There is no such approval any more.
pub(super) fn gone() -> Refusal {
    let text = "requestState is not valid for this request";
    Refusal::error("request_state", crate::protocol::code::INVALID_PARAMS, text)
}

/// Too many wait.
pub(super) fn full() -> Refusal {
    let text = "NOT EXECUTED. Too many calls wait for the user's approval already. Wait until they have decided about those.";
    Refusal::tool("approvals_full", text)
}

/// What is known of a call that was begun.
pub(super) fn under_way(approval: &Approval) -> Refusal {
    let began = approval.consumed_at.map(clock).unwrap_or_default();
    let (reason, text) = match approval.state {
        ApprovalState::ExecutedOk => {
            ("approval_used", format!("Already executed at {began}, successfully. Do not repeat it."))
        }
        ApprovalState::ExecutedError => {
            ("approval_used", format!("Already executed at {began}; it failed. A new call asks anew."))
        }
        ApprovalState::OutcomeUnknown => (
            "outcome_unknown",
            format!(
                "This call was begun at {began} and was cut off. Nobody knows whether it happened: look before doing it again."
            ),
        ),
        _ => ("approval_used", format!("This call was begun at {began} and is under way. Do not repeat it.")),
    };
    told(reason, text, approval)
}

fn told(reason: &'static str, text: String, approval: &Approval) -> Refusal {
    let note = json!({
        "id": approval.id,
        "state": approval.state.as_str(),
        "expiresAt": exact(approval.expires_at),
    });
    Refusal::tool(reason, text).noting(NOTE, note)
}

fn time(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The time of day, for people.
fn clock(at: Timestamp) -> String {
    let (hour, minute, _) = time(at).to_hms();
    format!("{hour:02}:{minute:02} UTC")
}

/// RFC 3339.
fn exact(at: Timestamp) -> String {
    let (at, (hour, minute, second)) = (time(at), time(at).to_hms());
    format!("{}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", at.year(), u8::from(at.month()), at.day())
}
