//! Why a decision is what it is: every rule that took part.

use std::sync::Arc;

use crate::question::Question;
use crate::{Assurance, Case, Decision, PolicySet, Rule, decide};

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

/// Decides a case and tells why.
#[must_use]
pub fn explain(policies: &PolicySet, case: &Case<'_>) -> Explanation {
    let decision = decide(policies, case);
    match parts(policies, case) {
        Ok(parts) => Explanation { decision, parts, failure: None },
        Err(failure) => Explanation { decision, parts: Vec::new(), failure: Some(failure.to_string()) },
    }
}

fn parts(policies: &PolicySet, case: &Case<'_>) -> Result<Vec<Part>, crate::facts::Unspeakable> {
    let set = policies.inner();
    let question = Question::of(policies, *case);
    let mut parts: Vec<Part> =
        policies.rules().into_iter().map(|rule| Part { rule, applies: Vec::new(), failure: None }).collect();
    for assurance in Assurance::ALL.into_iter().filter(|level| *level >= case.circumstances.assurance) {
        let found = question.found(assurance)?;
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
