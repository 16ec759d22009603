//! Today's rules: ownership, reach and permission forbid; what was reviewed, or what its server's trust covers, permits.

use portcullis_oauth::VerifiedBearer;

use super::class::Class;
use super::{Denial, Trust};
use crate::connections::Connection;
use crate::offer::Offer;

/// A rule that nothing overrides, about a connection and the permission that is needed there.
type Forbid = fn(&VerifiedBearer, &Connection, &str) -> Result<(), Denial>;

/// Every rule that nothing overrides, in the order in which they answer.
pub(super) const FORBID: [Forbid; 3] = [ownership, reach, permission];

/// What may be done with something that a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Review {
    /// May be used.
    Free,
    /// May be used once a person approved that very call.
    NeedsApproval,
}

/// The review of the sandbox's tools. A tool that does not stand here may not be called.
const SANDBOX: [(&str, Review); 10] = [
    ("echo", Review::Free),
    ("slow", Review::Free),
    ("fail", Review::Free),
    ("list_files", Review::Free),
    ("read_file", Review::Free),
    ("query_database", Review::Free),
    ("create_note", Review::NeedsApproval),
    ("update_note", Review::NeedsApproval),
    ("delete_note", Review::NeedsApproval),
    ("send_message", Review::NeedsApproval),
];

fn ownership(bearer: &VerifiedBearer, connection: &Connection, _: &str) -> Result<(), Denial> {
    unless(
        connection.principal_id == bearer.principal().id,
        "not_owner",
        "This connection belongs to somebody else.",
    )
}

fn reach(bearer: &VerifiedBearer, connection: &Connection, _: &str) -> Result<(), Denial> {
    unless(
        bearer.connections().reach(&connection.id),
        "connection_not_granted",
        "This client was not given this connection.",
    )
}

/// SBP-10: a scope in the token is necessary, not sufficient.
fn permission(bearer: &VerifiedBearer, _: &Connection, needs: &str) -> Result<(), Denial> {
    unless(
        bearer.principal().permissions.contains(needs),
        "permission_missing",
        "Your account may not do this. An administrator can change that.",
    )
}

/// The permission and the token's scope together: what the pipeline asked before, asked once more where it counts.
pub(super) fn allows(bearer: &VerifiedBearer, needs: &str) -> Result<(), Denial> {
    unless(
        bearer.effective_scope().contains(needs),
        "scope_missing",
        "This client was not given the right to do this.",
    )
}

/// Default deny: what nobody reviewed and no trust covers is not permitted.
pub(super) fn permits(trust: Trust, tool: Option<&Offer>) -> Result<(), Denial> {
    match reviewed(trust, tool) {
        Some(Review::Free) => Ok(()),
        Some(Review::NeedsApproval) => Err(Denial {
            reason: "approval_unavailable",
            text: "This tool changes or sends something, or nobody knows what it does, so a person has to approve \
                   each call. Approvals do not exist yet in this release: the call was refused and nothing was done.",
        }),
        None => Err(Denial { reason: "no_policy", text: "No policy permits this." }),
    }
}

/// What may be done with a tool, or with something else that a server offers; nothing, if nobody said so.
pub(super) fn reviewed(trust: Trust, tool: Option<&Offer>) -> Option<Review> {
    match (trust, tool) {
        (Trust::Quarantine | Trust::None, _) => None,
        (Trust::Sandbox, Some(tool)) => {
            SANDBOX.iter().find(|(name, _)| *name == tool.key).map(|(_, review)| *review)
        }
        // Prompts and resources are read.
        (_, None) => Some(Review::Free),
        (Trust::Reading, Some(tool)) => Some(match Class::of(tool) {
            Class::Reads => Review::Free,
            Class::Unknown | Class::Sensitive => Review::NeedsApproval,
        }),
        (Trust::All, Some(tool)) => Some(match Class::of(tool) {
            Class::Reads | Class::Unknown => Review::Free,
            Class::Sensitive => Review::NeedsApproval,
        }),
    }
}

fn unless(holds: bool, reason: &'static str, text: &'static str) -> Result<(), Denial> {
    if holds { Ok(()) } else { Err(Denial { reason, text }) }
}
