//! Whether somebody may look after a connection, or begin to make one: the action `manageConnection`, asked for programs and for
//! people on our own pages. What follows is a link, a status or a change of the person's own, so there is nothing to be
//! `Permitted`; whoever asks gets the rule that decided.

use portcullis_oauth::{Alias, PrincipalId, PublicUrl, ScopeSet, Timestamp, VerifiedBearer};
use portcullis_policy::{
    Assurance, Case, Circumstances, Connection as SeenConnection, Decision, Subject, Target,
};

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

/// Why somebody may not look after it.
#[derive(Debug, thiserror::Error)]
pub enum NotManaged {
    /// The policy says so: a code that stays across releases, and the rule's own reason.
    #[error("{1}")]
    Denied(&'static str, String),
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
    judge(policy, seen::subject(bearer, connection), now)
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
    judge(policy, seen::subject_at(bearer, connection, true), now)
}

/// Whether a program may be shown the tools of one of its user's connections, whatever the user ticked for its token.
pub(crate) fn may_list_any(policy: &InForce, bearer: &VerifiedBearer, connection: &Connection) -> bool {
    let subject = seen::subject_at(bearer, seen::connection(connection), true);
    portcullis_policy::may_list(&policy.set, &subject)
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
    let circumstances = Circumstances { assurance: Assurance::Session, ..here_and_now(now) };
    let target = Target::ManageConnection;
    let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
    let Some(rule) = portcullis_policy::forbidden(&policy.set, &case) else { return Ok(()) };
    let (reason, text) = (rule.code(), rule.reason.clone());
    let decided = decided(policy, subject, circumstances, Decision::Deny { rule });
    Err(Denial { reason, text, decided: Some(decided) })
}

/// A person who has to agree does so on the page, so a program that would need more assurance is told to go there.
fn judge(policy: &InForce, subject: Subject, now: Timestamp) -> Result<Decided, Denial> {
    let circumstances = here_and_now(now);
    let target = Target::ManageConnection;
    let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
    let decision = portcullis_policy::decide(&policy.set, &case);
    let decided = decided(policy, subject, circumstances, decision.clone());
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
        Decision::Deny { rule } => {
            Err(Denial { reason: rule.code(), text: rule.reason.clone(), decided: Some(decided) })
        }
    }
}

fn decided(policy: &InForce, subject: Subject, circumstances: Circumstances, decision: Decision) -> Decided {
    let (version, rule) = (policy.version, decision.rule().id.clone());
    let considered = Considered { subject, target: Target::ManageConnection, circumstances, decision };
    Decided { version, rule, considered: Box::new(considered) }
}
