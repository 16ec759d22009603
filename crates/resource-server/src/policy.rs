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

use std::sync::Arc;

use portcullis_oauth::{Timestamp, VerifiedBearer};
use portcullis_policy::{
    Arguments, Assurance, Case, Circumstances, Decision, Moment, Pin, Risk, Subject, Target,
};

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
use crate::errand::{Dispatch, Errand, Extras};
use crate::offer::{Kind, Offer};
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

/// What decisions about a connection stand on: the policy in force, who asks, and how far the connection's server is trusted.
/// Made once for a call, whatever is asked about it.
#[derive(Debug)]
pub(crate) struct Ground {
    policy: Arc<InForce>,
    bearer: VerifiedBearer,
    connection: Arc<Connection>,
    trust: Trust,
    subject: Arc<Subject>,
}

/// Decides about an errand at what is `seen` so.
///
/// # Errors
/// Why not, for the caller and for the paper trail.
pub(crate) fn decide(
    ground: &Ground,
    seen: Target,
    (errand, extras): (Errand, Extras),
    now: Timestamp,
) -> Result<Ruling, Denial> {
    // What the pipeline asked before, asked once more where it counts.
    if !ground.bearer.scope().contains(errand.needs()) {
        return Err(Denial {
            reason: "scope_missing",
            text: "This client was not given the right to do this.".to_owned(),
            decided: None,
        });
    }
    let risk = if let Target::Tool(tool) = &seen { tool.risk } else { Risk::Unknown };
    let decided = ground.decide(seen, ground.circumstances(&errand, now));
    // Where it is decided about is where it is done.
    let dispatch = Dispatch { connection: Arc::clone(&ground.connection), errand, extras };
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

impl Ground {
    /// For what `bearer` asks at `connection`.
    pub(crate) fn new(
        policy: Arc<InForce>,
        bearer: VerifiedBearer,
        (connection, trust): (Arc<Connection>, Trust),
    ) -> Self {
        let subject = Arc::new(seen::subject(&bearer, &connection));
        Self { policy, bearer, connection, trust, subject }
    }

    /// Where.
    pub(crate) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// What an entry of a list means to the policy.
    pub(crate) fn listed(&self, (kind, offer): (Kind, &Offer)) -> Target {
        match kind {
            Kind::Tools => {
                let (place, described) = ((&*self.connection, self.trust), Some(&offer.description));
                let blocked = &self.policy.blocked;
                Target::Tool(seen::tool(place, &offer.key, (described, offer.pinned), blocked))
            }
            Kind::Prompts => seen::prompt(self.trust, &offer.key),
            Kind::Resources | Kind::Templates => self.addressed(&offer.key),
        }
    }

    /// What a resource of this address means to the policy.
    pub(crate) fn addressed(&self, uri: &str) -> Target {
        seen::resource(self.trust, uri)
    }

    /// Whether anything of what is seen so could pass for this caller. What could not does not exist for them; what a
    /// step-up or an approval would open does (TOOL-1, TOOL-2).
    pub(crate) fn could_pass(&self, seen: &Target) -> bool {
        portcullis_policy::could_pass(&self.policy.set, &self.subject, seen)
    }

    /// Whether this caller may be shown what the connection offers of this kind. Of tools alone: the policy has no word for
    /// other lists, which show what [`could_pass`](Self::could_pass).
    pub(crate) fn may_list(&self, kind: Kind) -> bool {
        kind != Kind::Tools || portcullis_policy::may_list(&self.policy.set, &self.subject)
    }

    /// How a tool stands to its pin that would exist for this caller but for that. Of whatever is hidden for other reasons
    /// too nothing is told.
    pub(crate) fn held_by_pin(&self, seen: Target) -> Option<Pin> {
        let Target::Tool(tool) = seen else { return None };
        let pin = tool.pin;
        let accepted = Target::Tool(portcullis_policy::Tool { pin: Pin::Active, ..tool });
        (pin != Pin::Active && self.could_pass(&accepted)).then_some(pin)
    }

    /// By which rule something is hidden from this errand that [`could_pass`](Self::could_pass) does not let through.
    pub(crate) fn hidden_by(&self, seen: Target, (errand, now): (&Errand, Timestamp)) -> Decided {
        self.decide(seen, self.circumstances(errand, now))
    }

    /// What else counts for an errand.
    fn circumstances(&self, errand: &Errand, now: Timestamp) -> Circumstances {
        Circumstances {
            arguments: errand.arguments().map(Arguments::of).unwrap_or_default(),
            ..here_and_now(self.bearer.standing().authentication, now)
        }
    }

    fn decide(&self, target: Target, circumstances: Circumstances) -> Decided {
        let subject = Arc::clone(&self.subject);
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

#[cfg(test)]
mod tests;
