//! The decision: allow, allow with more assurance, or deny, and the rule that decided.

use std::sync::Arc;

use crate::answer::Answer;
use crate::question::Question;
use crate::{Assurance, Case, Circumstances, PolicySet, Rule, Subject, Target};

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
    decide_by(policies, case).unwrap_or_else(|Failed| Decision::Deny { rule: Arc::new(Rule::policy_error()) })
}

/// Whether any call of `target` could pass for `subject`, whatever its arguments, its time, its network, how the user
/// signed in and how surely a person agrees. Never wrongly false; the module `outlook` says when it is wrongly true.
#[must_use]
pub fn could_pass(policies: &PolicySet, subject: &Subject, target: &Target) -> bool {
    let case = Case { subject, target, circumstances: &Circumstances::default() };
    // A permit that fails may hold once everything is known; a forbid that fails need not.
    let may = |answer: Answer| answer.forbid.is_none() && (answer.permit.is_some() || answer.failed_permit);
    Question::of(policies, case).outlook(Assurance::SecondPerson).is_ok_and(may)
}

/// The rule that forbids the case as it is: for what needs no permit of its own. A rule or a case that cannot be evaluated
/// forbids, under `policy_error`.
#[must_use]
pub fn forbidden(policies: &PolicySet, case: &Case<'_>) -> Option<Arc<Rule>> {
    let verdict = judge(&Question::of(policies, *case), case.circumstances.assurance);
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
    let case = Case { subject, target: &Target::ListTools, circumstances: &Circumstances::default() };
    let may = |answer: Answer| answer.forbid.is_none() && !answer.failed_forbid;
    Question::of(policies, case).outlook(Assurance::None).is_ok_and(may)
}

fn decide_by(policies: &PolicySet, case: &Case<'_>) -> Result<Decision, Failed> {
    let question = Question::of(policies, *case);
    let at = |assurance| judge(&question, assurance);
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

/// What follows from what applies at this assurance: a forbid that holds decides, then a failure, then a permit.
fn judge(question: &Question<'_>, assurance: Assurance) -> Result<Verdict, Failed> {
    let answer = question.answer(assurance).map_err(|_| Failed)?;
    if let Some((_, rule)) = answer.forbid {
        return Ok(Verdict::Forbidden(rule));
    }
    if answer.failed() {
        return Err(Failed);
    }
    Ok(answer.permit.map_or(Verdict::Open, |(_, rule)| Verdict::Permitted(rule)))
}
