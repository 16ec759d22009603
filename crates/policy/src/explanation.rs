//! Why a decision is what it is: every rule that took part.

use std::sync::Arc;

use crate::facts::Unspeakable;
use crate::memory::Occasion;
use crate::question::Question;
use crate::{
    Assurance, Case, Circumstances, Decision, Effect, PolicySet, Rule, Subject, Target, decide, forbidden,
    may_list,
};

/// A decision and every rule that took part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was decided.
    pub decision: Decision,
    /// The rules that applied, or failed, at some assurance from the one given upwards, in the order of the text.
    pub parts: Vec<Part>,
    /// Why the case could not be put to the policies at all, which denies.
    pub failure: Option<String>,
}

/// A rule that took part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub rule: Arc<Rule>,
    /// At which assurances it applied.
    pub applies: Vec<Assurance>,
    /// How its evaluation failed, if it did.
    pub failure: Option<String>,
}

impl Explanation {
    fn of(decision: Decision, parts: Result<Vec<Part>, Unspeakable>) -> Self {
        match parts {
            Ok(parts) => Self { decision, parts, failure: None },
            Err(failure) => Self { decision, parts: Vec::new(), failure: Some(failure.to_string()) },
        }
    }
}

/// Decides a case and tells why.
#[must_use]
pub fn explain(policies: &PolicySet, case: &Case<'_>) -> Explanation {
    let levels = Assurance::ALL.into_iter().filter(|level| *level >= case.circumstances.assurance);
    Explanation::of(decide(policies, case), parts(policies, Occasion::Call, case, levels))
}

/// What [`forbidden`] says of a case, as a decision, and why.
#[must_use]
pub fn explain_forbidden(policies: &PolicySet, case: &Case<'_>) -> Explanation {
    let decision = match forbidden(policies, case) {
        Some(rule) => Decision::Deny { rule },
        None => Decision::Allow { rule: Arc::new(Rule::not_forbidden()) },
    };
    Explanation::of(decision, parts(policies, Occasion::Call, case, [case.circumstances.assurance]))
}

/// What [`may_list`] says of a subject, as a decision, and why.
#[must_use]
pub fn explain_list(policies: &PolicySet, subject: &Subject) -> Explanation {
    let case = Case { subject, target: &Target::ListTools, circumstances: &Circumstances::default() };
    let parts = parts(policies, Occasion::List, &case, [Assurance::None]);
    let decision = if may_list(policies, subject) {
        Decision::Allow { rule: Arc::new(Rule::not_forbidden()) }
    } else {
        let forbids = |part: &&Part| part.rule.effect == Effect::Forbid && !part.applies.is_empty();
        let rule = parts.iter().flatten().find(forbids).map(|part| Arc::clone(&part.rule));
        Decision::Deny { rule: rule.unwrap_or_else(|| Arc::new(Rule::policy_error())) }
    };
    Explanation::of(decision, parts)
}

/// The rules that take part in the case then, at some of these levels.
fn parts(
    policies: &PolicySet,
    occasion: Occasion,
    case: &Case<'_>,
    levels: impl IntoIterator<Item = Assurance>,
) -> Result<Vec<Part>, Unspeakable> {
    let set = policies.inner();
    let question = Question::of(policies, *case);
    let mut parts: Vec<Part> =
        policies.rules().into_iter().map(|rule| Part { rule, applies: Vec::new(), failure: None }).collect();
    for assurance in levels {
        let found = question.found(occasion, assurance)?;
        for rule in set.in_order(found.forbid.iter().chain(&found.permit)) {
            if let Some(part) = parts.iter_mut().find(|part| part.rule == rule) {
                part.applies.push(assurance);
            }
        }
        for (id, failure) in found.failed {
            if let Some(rule) = set.in_order([&id]).into_iter().next()
                && let Some(part) = parts.iter_mut().find(|part| part.rule == rule)
            {
                part.failure = Some(failure);
            }
        }
    }
    parts.retain(|part| !part.applies.is_empty() || part.failure.is_some());
    Ok(parts)
}
