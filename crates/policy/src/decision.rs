//! The decision: allow, allow with more assurance, or deny, and the rule that decided.

use std::sync::Arc;

use crate::facts::{Facts, Unspeakable};
use crate::index::{Found, Index};
use crate::set::Inner;
use crate::vocabulary::action;
use crate::{Assurance, Case, Circumstances, Effect, PolicySet, Rule, Subject, Target};

/// What the policies say to a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Allow {
        /// The rule that permits.
        rule: Arc<Rule>,
    },
    /// It may be done once a person agreed so surely.
    NeedsAssurance {
        /// The least that is enough.
        level: Assurance,
        /// The rule that asks for it: the one that forbids below, else the one that permits from there on.
        rule: Arc<Rule>,
    },
    /// It may not be done.
    Deny {
        /// The rule that forbids; `no_policy` where none permits, `policy_error` where one failed.
        rule: Arc<Rule>,
    },
}

impl Decision {
    /// The rule that decided.
    #[must_use]
    pub fn rule(&self) -> &Arc<Rule> {
        match self {
            Self::Allow { rule } | Self::NeedsAssurance { rule, .. } | Self::Deny { rule } => rule,
        }
    }
}

/// What the policies say at one assurance.
enum Verdict {
    Permitted(Arc<Rule>),
    Forbidden(Arc<Rule>),
    /// Nothing permits.
    Open,
}

/// A rule or the case itself could not be evaluated. Why is told by [`explain`](crate::explain).
pub(crate) struct Failed;

/// Decides a case. More assurance never takes something away, so the assurance that is there answers first; where it is
/// not enough, the surest says whether any is.
#[must_use]
pub fn decide(policies: &PolicySet, case: &Case<'_>) -> Decision {
    // Fails closed: what cannot be evaluated is not allowed.
    decide_by(policies.inner(), case)
        .unwrap_or_else(|Failed| Decision::Deny { rule: Arc::new(Rule::policy_error()) })
}

/// Whether any call of `target` could pass for `subject`, whatever its arguments, its time, its network, how the user
/// signed in and how surely a person agrees. Never wrongly false; the module `outlook` says when it is wrongly true.
#[must_use]
pub fn could_pass(policies: &PolicySet, subject: &Subject, target: &Target) -> bool {
    let set = policies.inner();
    let case = Case { subject, target, circumstances: &Circumstances::default() };
    let found = Facts::of(set.vocabulary, case)
        .and_then(|facts| evaluate(&set.lists, &facts, &case, Assurance::SecondPerson));
    // A permit that fails may hold once everything is known; a forbid that fails need not.
    let may_permit = |(id, _): &(_, _)| set.first([id]).is_some_and(|rule| rule.effect == Effect::Permit);
    found.is_ok_and(|found| {
        found.forbid.is_empty() && (!found.permit.is_empty() || found.failed.iter().any(may_permit))
    })
}

/// The rule that forbids the case as it is: for what needs no permit of its own. A rule or a case that cannot be evaluated
/// forbids, under `policy_error`.
#[must_use]
pub fn forbidden(policies: &PolicySet, case: &Case<'_>) -> Option<Arc<Rule>> {
    let set = policies.inner();
    let verdict = Facts::of(set.vocabulary, *case)
        .and_then(|facts| evaluate(&set.calls, &facts, case, case.circumstances.assurance))
        .map_err(|_| Failed)
        .and_then(|found| judge(set, &found));
    match verdict {
        Ok(Verdict::Forbidden(rule)) => Some(rule),
        Ok(Verdict::Permitted(_) | Verdict::Open) => None,
        Err(Failed) => Some(Arc::new(Rule::policy_error())),
    }
}

/// Whether `subject` may be shown a list of the connection's tools: unless a rule forbids `listTools` there. It needs no
/// permit of its own, for what is listed is what [`could_pass`]. A list is the same at any time and from anywhere, and nobody
/// approves one: a rule is obeyed as far as it holds before anything is known of a call and with nobody asked.
#[must_use]
pub fn may_list(policies: &PolicySet, subject: &Subject) -> bool {
    let set = policies.inner();
    let case = Case { subject, target: &Target::ListTools, circumstances: &Circumstances::default() };
    let found = Facts::of(set.vocabulary, case)
        .and_then(|facts| evaluate(&set.lists, &facts, &case, Assurance::None));
    let forbids = |(id, _): &(_, _)| set.first([id]).is_none_or(|rule| rule.effect == Effect::Forbid);
    found.is_ok_and(|found| found.forbid.is_empty() && !found.failed.iter().any(forbids))
}

fn decide_by(set: &Inner, case: &Case<'_>) -> Result<Decision, Failed> {
    let facts = Facts::of(set.vocabulary, *case).map_err(|_| Failed)?;
    let at = |assurance| {
        evaluate(&set.calls, &facts, case, assurance).map_err(|_| Failed).and_then(|found| judge(set, &found))
    };
    let given = case.circumstances.assurance;
    let as_it_is = match at(given)? {
        Verdict::Permitted(rule) => return Ok(Decision::Allow { rule }),
        verdict => verdict,
    };
    let surest = match (&as_it_is, given) {
        (Verdict::Forbidden(rule), Assurance::SecondPerson) => Verdict::Forbidden(Arc::clone(rule)),
        (_, Assurance::SecondPerson) => Verdict::Open,
        _ => at(Assurance::SecondPerson)?,
    };
    let mut permits = match surest {
        Verdict::Permitted(rule) => rule,
        Verdict::Forbidden(rule) => return Ok(Decision::Deny { rule }),
        Verdict::Open => return Ok(Decision::Deny { rule: Arc::new(Rule::no_policy()) }),
    };
    let mut level = Assurance::SecondPerson;
    for lower in given.above().filter(|lower| *lower < Assurance::SecondPerson) {
        if let Verdict::Permitted(rule) = at(lower)? {
            (level, permits) = (lower, rule);
            break;
        }
    }
    let rule = if let Verdict::Forbidden(rule) = as_it_is { rule } else { permits };
    Ok(Decision::NeedsAssurance { level, rule })
}

/// Everything that applies to the case at this assurance.
pub(crate) fn evaluate(
    index: &Index,
    facts: &Facts<'_>,
    case: &Case<'_>,
    assurance: Assurance,
) -> Result<Found, Unspeakable> {
    let request = facts.request(assurance)?;
    let place = (action(case.target), case.subject.connection.server.as_str());
    Ok(index.evaluate(place, &request, &facts.entities))
}

/// What follows from what applies: a forbid that holds decides, then a failure, then a permit.
fn judge(set: &Inner, found: &Found) -> Result<Verdict, Failed> {
    if let Some(rule) = set.first(&found.forbid) {
        return Ok(Verdict::Forbidden(rule));
    }
    if !found.failed.is_empty() {
        return Err(Failed);
    }
    Ok(set.first(&found.permit).map_or(Verdict::Open, Verdict::Permitted))
}
