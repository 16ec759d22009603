//! The one gate: what may be done is a [`Permitted`], and only this module makes one. Default deny: where no policy
//! permits, nothing happens. Owns which policy holds ([`Policies`], [`ToolBlocks`], `keeper`), what it sees of a call
//! (`seen`), what follows from its decision, and what is recorded of it so that another policy can decide it again; the language
//! itself is `portcullis_policy`'s. Scopes and limits are steps of their own, and executing is `upstream`'s.

mod blocks;
mod keeper;
mod manage;
mod record;
mod replay;
pub mod seen;
mod store;

use portcullis_oauth::{Timestamp, VerifiedBearer};
use portcullis_policy::{Arguments, Assurance, Case, Circumstances, Decision, Moment, Pin, Risk, Target};
use serde_json::{Map, Value};

pub use self::blocks::{BlockedAt, ToolBlock, ToolBlocks};
pub(crate) use self::keeper::{InForce, Keeper};
pub use self::manage::{Forbidden, Managed, NotManaged, Person};
pub(crate) use self::manage::{may_list_any, may_manage, may_manage_any, may_manage_by_hand};
pub(crate) use self::record::{Considered, Recorder};
pub use self::replay::Replay;
pub use self::store::{Policies, PolicyError, PolicyVersion};
use crate::approvals::Consumed;
use crate::catalogue::{NewTools, Server};
use crate::connections::Connection;
use crate::errand::{Dispatch, Errand};
use crate::offer::{Kind, Offer};
use crate::pins::Pinned;
use crate::sandbox::SERVER;

/// An action that the policy allowed. Its field is private to `policy`, so there is no other way to have one.
#[derive(Debug)]
pub(crate) struct Permitted<A>(A);

impl<A> Permitted<A> {
    /// The action, to be executed now.
    pub(crate) fn into_action(self) -> A {
        self.0
    }
}

/// An action that the policy allows once somebody agreed to it surely enough.
#[derive(Debug)]
pub(crate) struct Held<A> {
    action: A,
    level: Assurance,
}

impl<A> Held<A> {
    /// The action, to be looked at.
    pub(crate) fn action(&self) -> &A {
        &self.action
    }

    /// The same, permitted by an approval that was used up for it. More assurance never takes something away, so one that
    /// is sure enough is as good as the least that is. `None` when it is not.
    pub(crate) fn released_by(self, approval: &Consumed) -> Option<Permitted<A>> {
        (approval.level() >= self.level.level()).then_some(Permitted(self.action))
    }
}

/// What an action needs that is not simply allowed.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// The least assurance that is enough.
    pub(crate) level: Assurance,
    /// Why, for people.
    pub(crate) reason: String,
    /// The class of the tool.
    pub(crate) risk: Risk,
    /// The rule that asks for it.
    pub(crate) decided: Decided,
}

/// What the policy says of an action that it does not deny.
#[derive(Debug)]
pub(crate) enum Ruling {
    /// It may be done.
    Permitted(Permitted<Dispatch>, Decided),
    /// It may be done once somebody agreed.
    Needs(Box<Need>, Held<Dispatch>),
}

/// What decided, for the paper trail.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    /// The version of the policy.
    pub(crate) version: i64,
    /// The id of the rule.
    pub(crate) rule: String,
    /// What it stood on.
    pub(crate) considered: Box<Considered>,
}

/// Why an action was not allowed: a reason code for the audit and a text for the caller.
#[derive(Clone, Debug)]
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

impl Trust {
    /// In what a connection leads to, which is this server of the catalogue, if it is there.
    pub(crate) fn of(connection: &Connection, server: Option<&Server>) -> Self {
        if connection.server == SERVER {
            return Self::Sandbox;
        }
        let server = server.filter(|server| server.disabled_at.is_none());
        server.map_or(Self::None, |server| match connection.rules.new_tools.unwrap_or(server.new_tools) {
            NewTools::Quarantine => Self::Quarantine,
            NewTools::AllowRead => Self::Reading,
            NewTools::Allow => Self::All,
        })
    }
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
) -> Result<Ruling, Denial> {
    // What the pipeline asked before, asked once more where it counts.
    if !ground.bearer.scope().contains(dispatch.errand.needs()) {
        return Err(Denial {
            reason: "scope_missing",
            text: "This client was not given the right to do this.".to_owned(),
            decided: None,
        });
    }
    let target = target(ground, &dispatch, tool);
    let risk = if let Target::Tool(tool) = &target { tool.risk } else { Risk::Unknown };
    let decided = ground.decide(&dispatch.connection, target, ground.circumstances(&dispatch.errand, now));
    match decided.considered.decision.clone() {
        Decision::Allow { .. } => Ok(Ruling::Permitted(Permitted(dispatch), decided)),
        Decision::NeedsAssurance { level, rule } => {
            let need = Need { level, reason: rule.reason.clone(), risk, decided };
            Ok(Ruling::Needs(Box::new(need), Held { action: dispatch, level }))
        }
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

/// Whether this caller may be shown what the connection offers of this kind. Of tools alone: the policy has no word for other
/// lists, which show what [`could_pass`].
pub(crate) fn may_list(ground: Ground<'_>, connection: &Connection, kind: Kind) -> bool {
    kind != Kind::Tools
        || portcullis_policy::may_list(&ground.policy.set, &seen::subject(ground.bearer, connection))
}

/// How a tool stands to its pin that would exist for this caller but for that. Of whatever is hidden for other reasons too
/// nothing is told.
pub(crate) fn held_by_pin(
    ground: Ground<'_>,
    connection: &Connection,
    (kind, offer): (Kind, &Offer),
) -> Option<Pin> {
    let Target::Tool(tool) = listed(ground, connection, (kind, offer)) else { return None };
    let pin = tool.pin;
    let accepted = Target::Tool(portcullis_policy::Tool { pin: Pin::Active, ..tool });
    let subject = seen::subject(ground.bearer, connection);
    let waits = pin != Pin::Active && portcullis_policy::could_pass(&ground.policy.set, &subject, &accepted);
    waits.then_some(pin)
}

/// By which rule something is hidden from this errand that [`could_pass`] does not let through.
pub(crate) fn hidden_by(
    ground: Ground<'_>,
    connection: &Connection,
    (kind, offer): (Kind, &Offer),
    (errand, now): (&Errand, Timestamp),
) -> Decided {
    let target = listed(ground, connection, (kind, offer));
    ground.decide(connection, target, ground.circumstances(errand, now))
}

impl Ground<'_> {
    /// What else counts for an errand.
    fn circumstances(self, errand: &Errand, now: Timestamp) -> Circumstances {
        Circumstances {
            arguments: errand.arguments().map(Arguments::of).unwrap_or_default(),
            ..here_and_now(self.bearer.standing().authentication, now)
        }
    }

    fn decide(self, connection: &Connection, target: Target, circumstances: Circumstances) -> Decided {
        let subject = seen::subject(self.bearer, connection);
        let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
        let decision = portcullis_policy::decide(&self.policy.set, &case);
        let (version, rule) = (self.policy.version, decision.rule().id.clone());
        let considered = Box::new(Considered { subject, target, circumstances, decision });
        Decided { version, rule, considered }
    }
}

/// When a request came, from where, and how who sent it had signed in.
fn here_and_now(authentication: u8, now: Timestamp) -> Circumstances {
    Circumstances {
        authentication,
        time: Moment { unix: now.seconds(), offset: 0 },
        address: portcullis_audit::trace::context().and_then(|request| request.address),
        ..Circumstances::default()
    }
}

/// What an errand means to the policy. Completing an argument tells as much as getting the prompt or the resource.
fn target(ground: Ground<'_>, dispatch: &Dispatch, tool: Option<&Offer>) -> Target {
    let (connection, trust) = (&dispatch.connection, ground.trust);
    match &dispatch.errand {
        Errand::Tool { name, .. } => {
            let described = tool.map_or((None, Pinned::default()), described);
            Target::Tool(seen::tool((connection, trust), name, described, &ground.policy.blocked))
        }
        Errand::Prompt { name, .. } | Errand::PromptCompletion { name, .. } => seen::prompt(trust, name),
        Errand::Resource { uri } | Errand::ResourceCompletion { uri, .. } => seen::resource(trust, uri),
    }
}

/// What an entry of a list means to the policy.
fn listed(ground: Ground<'_>, connection: &Connection, (kind, offer): (Kind, &Offer)) -> Target {
    match kind {
        Kind::Tools => {
            let place = (connection, ground.trust);
            Target::Tool(seen::tool(place, &offer.key, described(offer), &ground.policy.blocked))
        }
        Kind::Prompts => seen::prompt(ground.trust, &offer.key),
        Kind::Resources | Kind::Templates => seen::resource(ground.trust, &offer.key),
    }
}

/// What a list says of a tool, and how that stands to its pin.
fn described(offer: &Offer) -> (Option<&Map<String, Value>>, Pinned) {
    (Some(&offer.description), offer.pinned)
}

#[cfg(test)]
mod tests;
