//! Whether a program may look after a connection, or begin to make one: the action `manageConnection`. What follows is a
//! link or a status, so there is nothing to be `Permitted`; whoever asks gets the rule that decided.

use portcullis_oauth::{Alias, Timestamp, VerifiedBearer};
use portcullis_policy::{
    Case, Circumstances, Connection as SeenConnection, Decision, Moment, Subject, Target,
};

use super::{Considered, Decided, Denial, InForce, seen};
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

/// Why a program may not look after it.
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

/// Whether the caller may begin to make a connection of this name, to this server if one was named. It would be theirs.
///
/// # Errors
/// Why not.
pub(crate) fn may_make(
    policy: &InForce,
    bearer: &VerifiedBearer,
    (alias, server): (&Alias, Option<&Server>),
    now: Timestamp,
) -> Result<Decided, Denial> {
    let connection = SeenConnection {
        alias: alias.to_string(),
        owner: bearer.principal().id.to_string(),
        server: server.map(|server| server.slug.to_string()).unwrap_or_default(),
        kind: seen::kind(server.map_or("", |server| server.kind.as_str())),
        ..SeenConnection::default()
    };
    judge(policy, seen::subject_at(bearer, connection, true), now)
}

/// Whether a program with a token for the API may look after one of its user's connections, or make one. There it reaches all
/// of them, whatever its user ticked for other tokens, so that is not asked.
///
/// # Errors
/// Why not.
pub(crate) fn may_manage_any(
    policy: &InForce,
    bearer: &VerifiedBearer,
    managed: Managed<'_>,
    now: Timestamp,
) -> Result<Decided, Denial> {
    match managed {
        Managed::Known(connection) => {
            judge(policy, seen::subject_at(bearer, seen::connection(connection), true), now)
        }
        Managed::New(alias, server) => may_make(policy, bearer, (alias, server), now),
    }
}

/// A person who has to agree does so on the page, so a program that would need more assurance is told to go there.
fn judge(policy: &InForce, subject: Subject, now: Timestamp) -> Result<Decided, Denial> {
    let circumstances = Circumstances {
        time: Moment { unix: now.seconds(), offset: 0 },
        address: portcullis_audit::trace::context().and_then(|request| request.address),
        ..Circumstances::default()
    };
    let target = Target::ManageConnection;
    let case = Case { subject: &subject, target: &target, circumstances: &circumstances };
    let decision = portcullis_policy::decide(&policy.set, &case);
    let rule = decision.rule();
    let (version, rule_id) = (policy.version, rule.id.clone());
    let considered = Considered { subject, target, circumstances, decision: decision.clone() };
    let decided = Decided { version, rule: rule_id, considered: Box::new(considered) };
    match &decision {
        Decision::Allow { .. } => Ok(decided),
        Decision::NeedsAssurance { .. } => Err(Denial {
            reason: "person_needed",
            text: format!(
                "{} The user has to do this without a program, on the gateway's own pages.",
                rule.reason
            ),
            decided: Some(decided),
        }),
        Decision::Deny { .. } => {
            Err(Denial { reason: rule.code(), text: rule.reason.clone(), decided: Some(decided) })
        }
    }
}
