//! The one gate: what may be done is a [`Permitted`], and only this module makes one. Default deny: where no policy
//! permits, nothing happens. Owns which policy holds ([`Policies`], [`ToolBlocks`], `keeper`), what it sees of a call
//! (`seen`) and what follows from its decision; the language itself is `portcullis_policy`'s. Scopes and limits are steps of
//! their own, and executing is `upstream`'s.

mod blocks;
mod keeper;
mod manage;
pub mod seen;
mod store;

use std::sync::Arc;

use portcullis_oauth::{Timestamp, VerifiedBearer};
use portcullis_policy::{Arguments, Case, Circumstances, Decision, Moment, Rule, Target};

pub use self::blocks::{BlockedAt, ToolBlock, ToolBlocks};
pub(crate) use self::keeper::{InForce, Keeper};
pub(crate) use self::manage::{may_make, may_manage};
pub use self::store::{Policies, PolicyError, PolicyVersion};
use crate::connections::Connection;
use crate::errand::{Dispatch, Errand};
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

/// What decided, for the paper trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    /// The version of the policy.
    pub(crate) version: i64,
    /// The id of the rule.
    pub(crate) rule: String,
}

/// Why an action was not allowed: a reason code for the audit and a text for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// Stable across releases.
    pub(crate) reason: &'static str,
    /// What the caller reads.
    pub(crate) text: String,
    /// What decided; nothing where it was not the policy.
    pub(crate) decided: Option<Decided>,
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

/// What a decision stands on: the policy in force, who asks, and how far the connection's server is trusted.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    /// The policy.
    pub(crate) policy: &'a InForce,
    /// Who asks.
    pub(crate) bearer: &'a VerifiedBearer,
    /// How far the server is trusted.
    pub(crate) trust: Trust,
}

/// Decides. `tool` is what a list says of the tool, where the errand is a call.
///
/// # Errors
/// Why not, for the caller and for the paper trail.
pub(crate) fn decide(
    ground: Ground<'_>,
    tool: Option<&Offer>,
    dispatch: Dispatch,
    now: Timestamp,
) -> Result<(Permitted<Dispatch>, Decided), Denial> {
    // What the pipeline asked before, asked once more where it counts.
    if !ground.bearer.scope().contains(dispatch.errand.needs()) {
        return Err(Denial {
            reason: "scope_missing",
            text: "This client was not given the right to do this.".to_owned(),
            decided: None,
        });
    }
    let circumstances = Circumstances {
        arguments: arguments(&dispatch.errand),
        time: Moment { unix: now.seconds(), offset: 0 },
        address: portcullis_audit::trace::context().and_then(|request| request.address),
        ..Circumstances::default()
    };
    let target = target(ground, &dispatch, tool);
    let decision = ground.decide(&dispatch.connection, &target, &circumstances);
    let decided = ground.decided(decision.rule());
    match decision {
        Decision::Allow { .. } => Ok((Permitted(dispatch), decided)),
        Decision::NeedsAssurance { rule, .. } => Err(Denial {
            reason: "approval_unavailable",
            text: format!(
                "{} Approvals do not exist yet in this release: the call was refused and nothing was done.",
                rule.reason
            ),
            decided: Some(decided),
        }),
        Decision::Deny { rule } => {
            Err(Denial { reason: rule.code(), text: rule.reason.clone(), decided: Some(decided) })
        }
    }
}

/// Whether anything of what is listed so could pass for this caller. What could not does not exist for them; what a
/// step-up or an approval would open does (TOOL-1, TOOL-2).
pub(crate) fn could_pass(ground: Ground<'_>, connection: &Connection, (kind, offer): (Kind, &Offer)) -> bool {
    let subject = seen::subject(ground.bearer, connection);
    portcullis_policy::could_pass(&ground.policy.set, &subject, &listed(ground, connection, (kind, offer)))
}

/// By which rule something is hidden that [`could_pass`] does not let through.
pub(crate) fn hidden_by(
    ground: Ground<'_>,
    connection: &Connection,
    (kind, offer): (Kind, &Offer),
) -> Decided {
    let target = listed(ground, connection, (kind, offer));
    ground.decided(ground.decide(connection, &target, &Circumstances::default()).rule())
}

impl Ground<'_> {
    fn decide(self, connection: &Connection, target: &Target, circumstances: &Circumstances) -> Decision {
        let subject = seen::subject(self.bearer, connection);
        portcullis_policy::decide(&self.policy.set, &Case { subject: &subject, target, circumstances })
    }

    fn decided(self, rule: &Arc<Rule>) -> Decided {
        Decided { version: self.policy.version, rule: rule.id.clone() }
    }
}

/// What an errand means to the policy. Completing an argument tells as much as getting the prompt or the resource.
fn target(ground: Ground<'_>, dispatch: &Dispatch, tool: Option<&Offer>) -> Target {
    let (connection, trust) = (&dispatch.connection, ground.trust);
    match &dispatch.errand {
        Errand::Tool { name, .. } => {
            let description = tool.map(|tool| &tool.description);
            Target::Tool(seen::tool((connection, trust), name, description, &ground.policy.blocked))
        }
        Errand::Prompt { name, .. } | Errand::PromptCompletion { name, .. } => seen::prompt(trust, name),
        Errand::Resource { uri } | Errand::ResourceCompletion { uri, .. } => seen::resource(trust, uri),
    }
}

/// What an entry of a list means to the policy.
fn listed(ground: Ground<'_>, connection: &Connection, (kind, offer): (Kind, &Offer)) -> Target {
    match kind {
        Kind::Tools => {
            let description = Some(&offer.description);
            let place = (connection, ground.trust);
            Target::Tool(seen::tool(place, &offer.key, description, &ground.policy.blocked))
        }
        Kind::Prompts => seen::prompt(ground.trust, &offer.key),
        Kind::Resources | Kind::Templates => seen::resource(ground.trust, &offer.key),
    }
}

fn arguments(errand: &Errand) -> Arguments {
    match errand {
        Errand::Tool { arguments, .. } | Errand::Prompt { arguments, .. } => Arguments::of(arguments),
        Errand::PromptCompletion { rest, .. } | Errand::ResourceCompletion { rest, .. } => {
            Arguments::of(rest)
        }
        Errand::Resource { .. } => Arguments::default(),
    }
}

#[cfg(test)]
mod tests;
