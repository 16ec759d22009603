//! The one gate: what may be done is a [`Permitted`], and only this module makes one. Default deny: where no rule
//! permits, nothing happens. Owns the decision; scopes and limits are steps of their own, and executing is `upstream`'s.

mod rules;

use portcullis_oauth::VerifiedBearer;

use crate::connections::Connection;
use crate::tool::ToolCall;

/// An action that the policy allowed. Its field is private to `policy`, so there is no other way to have one.
#[derive(Debug)]
pub(crate) struct Permitted<A>(A);

impl<A> Permitted<A> {
    /// The action, to be executed now.
    pub(crate) fn into_action(self) -> A {
        self.0
    }
}

/// Why an action was not allowed: a reason code for the audit and a text for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// Stable across releases.
    pub(crate) reason: &'static str,
    /// What the caller reads.
    pub(crate) text: &'static str,
}

/// Decides a call: every rule that forbids comes before the one that permits.
pub(crate) fn decide(bearer: &VerifiedBearer, call: ToolCall) -> Result<Permitted<ToolCall>, Denial> {
    for forbid in rules::FORBID {
        forbid(bearer, &call.connection)?;
    }
    rules::allows_execution(bearer)?;
    rules::permits(&call.connection, &call.tool)?;
    Ok(Permitted(call))
}

/// Whether any call of this tool could pass for this caller. A tool of which none could does not exist for them; what a
/// step-up or an approval would open does (TOOL-1, TOOL-2).
pub(crate) fn could_pass(bearer: &VerifiedBearer, connection: &Connection, tool: &str) -> bool {
    rules::FORBID.iter().all(|forbid| forbid(bearer, connection).is_ok())
        && rules::classified(connection, tool).is_some()
}

#[cfg(test)]
mod tests;
