//! Today's rules: ownership, reach and permission forbid; what was reviewed permits.

use portcullis_oauth::VerifiedBearer;
use portcullis_oauth::scopes::TOOLS_EXECUTE;

use super::Denial;
use crate::connections::Connection;

/// A rule that nothing overrides.
type Forbid = fn(&VerifiedBearer, &Connection) -> Result<(), Denial>;

/// Every rule that nothing overrides, in the order in which they answer.
pub(super) const FORBID: [Forbid; 3] = [ownership, reach, permission];

/// How a tool was reviewed. Never read from what the upstream says of itself (TOOL-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Review {
    /// May be called.
    Free,
    /// May be called once a person approved that very call.
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

fn ownership(bearer: &VerifiedBearer, connection: &Connection) -> Result<(), Denial> {
    unless(
        connection.principal_id == bearer.principal().id,
        "not_owner",
        "This connection belongs to somebody else.",
    )
}

fn reach(bearer: &VerifiedBearer, connection: &Connection) -> Result<(), Denial> {
    unless(
        bearer.connections().reach(&connection.id),
        "connection_not_granted",
        "This client was not given this connection.",
    )
}

/// SBP-10: a scope in the token is necessary, not sufficient.
fn permission(bearer: &VerifiedBearer, _: &Connection) -> Result<(), Denial> {
    unless(
        bearer.principal().permissions.contains(TOOLS_EXECUTE),
        "permission_missing",
        "Your account may not call tools. An administrator can change that.",
    )
}

/// The permission and the token's scope together: what the pipeline asked before, asked once more where it counts.
pub(super) fn allows_execution(bearer: &VerifiedBearer) -> Result<(), Denial> {
    unless(
        bearer.effective_scope().contains(TOOLS_EXECUTE),
        "scope_missing",
        "This client was not given the right to call tools.",
    )
}

/// Default deny: what was not reviewed is not permitted.
pub(super) fn permits(connection: &Connection, tool: &str) -> Result<(), Denial> {
    match classified(connection, tool) {
        Some(Review::Free) => Ok(()),
        Some(Review::NeedsApproval) => Err(Denial {
            reason: "approval_unavailable",
            text: "This tool changes or sends something, so a person has to approve each call. Approvals do not \
                   exist yet in this release: the call was refused and nothing was done.",
        }),
        None => Err(Denial { reason: "no_policy", text: "No policy permits this call." }),
    }
}

/// How the tool was reviewed, if it was.
pub(super) fn classified(connection: &Connection, tool: &str) -> Option<Review> {
    if connection.server != crate::sandbox::SERVER {
        return None;
    }
    SANDBOX.iter().find(|(name, _)| *name == tool).map(|(_, review)| *review)
}

fn unless(holds: bool, reason: &'static str, text: &'static str) -> Result<(), Denial> {
    if holds { Ok(()) } else { Err(Denial { reason, text }) }
}
