//! The one gate: what may be done is a [`Permitted`], and only this module makes one. Default deny: where no rule
//! permits, nothing happens. Owns the decision; scopes and limits are steps of their own, and executing is `upstream`'s.

mod class;
mod rules;

use portcullis_oauth::VerifiedBearer;
use portcullis_oauth::scopes::{RESOURCES_READ, TOOLS_EXECUTE, TOOLS_READ};

use crate::connections::Connection;
use crate::errand::Dispatch;
use crate::offer::{Kind, Offer};

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

/// How far an admin trusts what a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The built-in sandbox, whose tools were reviewed one by one.
    Sandbox,
    /// Nothing of it may be used until somebody reviewed it.
    Quarantine,
    /// What reads may be used, the rest needs a person's approval.
    Reading,
    /// Everything may be used but what is sensitive, which needs a person's approval.
    All,
    /// A server that is not in the catalogue, or was taken from it.
    None,
}

/// Decides: every rule that forbids comes before the one that permits. `tool` is what a list says of the tool, where the
/// errand is a call.
pub(crate) fn decide(
    bearer: &VerifiedBearer,
    trust: Trust,
    tool: Option<&Offer>,
    dispatch: Dispatch,
) -> Result<Permitted<Dispatch>, Denial> {
    let needs = dispatch.errand.needs();
    for forbid in rules::FORBID {
        forbid(bearer, &dispatch.connection, needs)?;
    }
    rules::allows(bearer, needs)?;
    rules::permits(trust, tool)?;
    Ok(Permitted(dispatch))
}

/// Whether anything of what is listed so could pass for this caller. What could not does not exist for them; what a
/// step-up or an approval would open does (TOOL-1, TOOL-2).
pub(crate) fn could_pass(
    bearer: &VerifiedBearer,
    connection: &Connection,
    trust: Trust,
    (kind, offer): (Kind, &Offer),
) -> bool {
    let needs = match kind {
        Kind::Tools => TOOLS_EXECUTE,
        Kind::Prompts => TOOLS_READ,
        Kind::Resources | Kind::Templates => RESOURCES_READ,
    };
    let tool = (kind == Kind::Tools).then_some(offer);
    rules::FORBID.iter().all(|forbid| forbid(bearer, connection, needs).is_ok())
        && rules::reviewed(trust, tool).is_some()
}

#[cfg(test)]
mod tests;
