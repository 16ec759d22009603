//! Whether somebody may look after a connection, or begin to make one: the action `manageConnection`, asked for programs and for
//! people on our own pages. What follows is a link, a status or a change of the person's own, so there is nothing to be
//! `Permitted`; whoever asks gets the rule that decided.

use std::sync::Arc;

use portcullis_audit::Event;
use portcullis_oauth::{Alias, ONE_FACTOR, PrincipalId, PublicUrl, ScopeSet, Timestamp, VerifiedBearer};
use portcullis_policy::{
    Assurance, Case, Circumstances, Connection as SeenConnection, Decision, Rule, Subject, Target,
};
use serde_json::json;

use super::{Considered, Decided, Denial, InForce, here_and_now, seen};
use crate::catalogue::Server;
use crate::connections::Connection;

/// What is to be looked after.
#[derive(Clone, Copy, Debug)]
pub enum Managed<'a> {
    /// A connection.
    Known(&'a Connection),
    /// One that is to be made, of this name and to this server, if there is such a server.
    New(&'a Alias, Option<&'a Server>),
}

impl Managed<'_> {
    /// The connection as policies see it; one that is to be made would be its maker's.
    fn seen(self, maker: &PrincipalId) -> SeenConnection {
        match self {
            Self::Known(connection) => seen::connection(connection),
            Self::New(alias, server) => SeenConnection {
                alias: alias.to_string(),
                owner: maker.to_string(),
                server: server.map(|server| server.slug.to_string()).unwrap_or_default(),
                kind: seen::kind(server.map_or("", |server| server.kind.as_str())),
                ..SeenConnection::default()
            },
        }
    }
}

/// Somebody who is signed in at the gateway's own pages.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub id: PrincipalId,
    /// What they sign in with.
    pub email: String,
    /// The groups that they belong to, by name.
    pub groups: Vec<String>,
    /// What they may do, in the words of scopes.
    pub permissions: ScopeSet,
}

/// What the policy says no to.
#[derive(Clone, Debug)]
pub struct Forbidden {
    /// A code that stays across releases.
    pub code: &'static str,
    /// The rule's own reason.
    pub reason: String,
    /// The version of the policy, and the id of the rule.
    by: Option<(i64, String)>,
}

impl Forbidden {
    /// The event of it, with what decided.
    #[must_use]
    pub fn noted(&self, event: Event) -> Event {
        let Some((version, rule)) = &self.by else { return event };
        event.under_policy(&version.to_string()).with(json!({ "rule": rule }))
    }
}

impl From<Denial> for Forbidden {
    fn from(denial: Denial) -> Self {
        let by = denial.decided.map(|decided| (decided.version, decided.rule));
        Self { code: denial.reason, reason: denial.text, by }
    }
}

/// Why somebody may not look after it.
#[derive(Debug, thiserror::Error)]
pub enum NotManaged {
    /// The policy says so.
    #[error("{}", .0.reason)]
    Denied(Forbidden),
    /// The policy could not be read, so nothing is allowed.
    #[error("the policy cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whether the caller may look after `connection`.
///
/// # Errors
/// Why not.
pub(crate) fn may_manage(
    policy: &InForce,
    bearer: &VerifiedBearer,
    connection: &Connection,
    now: Timestamp,
) -> Result<Decided, Denial> {
    judge(policy, (bearer, seen::subject(bearer, connection)), now)
}

/// Whether a program may look after one of its user's connections whatever the user ticked for its token, or begin to make
/// one: what is to be made nobody could tick yet, and a token for the API reaches all connections.
///
/// # Errors
/// Why not.
pub(crate) fn may_manage_any(
    policy: &InForce,
    bearer: &VerifiedBearer,
    managed: Managed<'_>,
    now: Timestamp,
) -> Result<Decided, Denial> {
    let connection = managed.seen(&bearer.principal().id);
    judge(policy, (bearer, seen::subject_at(bearer, connection, true)), now)
}

/// Whether a program may be shown the tools of one of its user's connections, whatever the user ticked for its token.
///
/// # Errors
/// Why not.
pub(crate) fn may_list_any(
    policy: &InForce,
    bearer: &VerifiedBearer,
    connection: &Connection,
) -> Result<(), Denial> {
    let subject = seen::subject_at(bearer, seen::connection(connection), true);
    if portcullis_policy::may_list(&policy.set, &subject) {
        return Ok(());
    }
    let decision = portcullis_policy::explain_list(&policy.set, &subject).decision;
    Err(denial(
        decision.rule(),
        decided(policy, (subject, Target::ListTools), Circumstances::default(), decision.clone()),
    ))
}

/// Whether a person may do so by their own hand on the page at `gateway`. They are signed in there and sent the page's own
/// form, which is an assurance of 2. It needs no permit: a policy that speaks of calls alone does not lock people out of what
/// is theirs. A rule that forbids it is obeyed, and one that fails forbids.
///
/// # Errors
/// Why not.
pub(crate) fn may_manage_by_hand(
    policy: &InForce,
    (person, gateway): (&Person, &PublicUrl),
    managed: Managed<'_>,
    now: Timestamp,
) -> Result<(), Denial> {
    let subject = seen::by_hand(person, managed.seen(&person.id), gateway);
    let circumstances = Circumstances { assurance: Assurance::Session, ..here_and_now(ONE_FACTOR, now) };
    let target = Target::ManageConnection;
    let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
    let Some(rule) = portcullis_policy::forbidden(&policy.set, &case) else { return Ok(()) };
    let decision = Decision::Deny { rule: Arc::clone(&rule) };
    Err(denial(&rule, decided(policy, (subject, target), circumstances, decision)))
}

/// A person who has to agree does so on the page, so a program that would need more assurance is told to go there.
fn judge(
    policy: &InForce,
    (bearer, subject): (&VerifiedBearer, Subject),
    now: Timestamp,
) -> Result<Decided, Denial> {
    let circumstances = here_and_now(bearer.standing().authentication, now);
    let target = Target::ManageConnection;
    let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
    let decision = portcullis_policy::decide(&policy.set, &case);
    let decided = decided(policy, (subject, target), circumstances, decision.clone());
    match decision {
        Decision::Allow { .. } => Ok(decided),
        Decision::NeedsAssurance { rule, .. } => Err(Denial {
            reason: "person_needed",
            text: format!(
                "{} The user has to do this without a program, on the gateway's own pages.",
                rule.reason
            ),
            decided: Some(decided),
        }),
        Decision::Deny { rule } => Err(denial(&rule, decided)),
    }
}

fn denial(rule: &Rule, decided: Decided) -> Denial {
    Denial { reason: rule.code(), text: rule.reason.clone(), decided: Some(decided) }
}

fn decided(
    policy: &InForce,
    (subject, target): (Subject, Target),
    circumstances: Circumstances,
    decision: Decision,
) -> Decided {
    let (version, rule) = (policy.version, decision.rule().id.clone());
    let considered = Considered { subject: Arc::new(subject), target, circumstances, decision };
    Decided { version, rule, considered: Box::new(considered) }
}
