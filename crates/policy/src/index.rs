//! Policies by the action and the server that they speak of, so that a decision looks at those alone that could apply.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Decision, Effect, Entities, Policy, PolicyId,
    PolicySet, Request, ResourceConstraint,
};

use crate::vocabulary::{ACTIONS, Vocabulary};

/// The policies for one action at one server, or at any. Apart, because Cedar does not tell of a permit where something
/// forbids.
#[derive(Clone, Debug, Default)]
struct Shelf {
    permit: PolicySet,
    forbid: PolicySet,
}

type Shelves = [Shelf; ACTIONS];

/// Policies by action and server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    anywhere: Shelves,
    servers: HashMap<String, Shelves>,
}

/// The ids of the policies that apply, and of those whose evaluation failed with how.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) permit: Vec<PolicyId>,
    pub(crate) forbid: Vec<PolicyId>,
    pub(crate) failed: Vec<(PolicyId, String)>,
}

impl Found {
    /// These and others.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.permit.extend(other.permit);
        self.forbid.extend(other.forbid);
        self.failed.extend(other.failed);
        self
    }
}

impl Index {
    /// Puts a policy where it will be found; the error is Cedar's text.
    pub(crate) fn add(&mut self, names: &Vocabulary, policy: &Policy) -> Result<(), String> {
        let shelves = match server(names, policy) {
            Some(server) => self.servers.entry(server).or_default(),
            None => &mut self.anywhere,
        };
        for (action, shelf) in names.actions.iter().zip(shelves) {
            let applies = match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(only) => only == *action,
                ActionConstraint::In(some) => some.contains(action),
            };
            if applies {
                let set = match policy.effect() {
                    Effect::Permit => &mut shelf.permit,
                    Effect::Forbid => &mut shelf.forbid,
                };
                set.add(policy.clone()).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Whether any policy is for this action at this server.
    pub(crate) fn speaks_of(&self, place: (usize, &str)) -> bool {
        self.shelves(place).any(|shelf| !shelf.permit.is_empty() || !shelf.forbid.is_empty())
    }

    fn shelves(&self, (action, server): (usize, &str)) -> impl Iterator<Item = &Shelf> {
        let shelves = [Some(&self.anywhere), self.servers.get(server)].into_iter().flatten();
        shelves.map(move |shelves| &shelves[action])
    }

    /// Evaluates every policy for this action at this server.
    pub(crate) fn evaluate(&self, place: (usize, &str), request: &Request, entities: &Entities) -> Found {
        let mut found = Found::default();
        let authorizer = Authorizer::new();
        let mut look = |set: &PolicySet, applied: Decision| {
            if set.is_empty() {
                return Vec::new();
            }
            let answer = authorizer.is_authorized(request, set, entities);
            found.failed.extend(answer.diagnostics().errors().map(|error| {
                let AuthorizationError::PolicyEvaluationError(failed) = error;
                (failed.policy_id().clone(), failed.to_string())
            }));
            if answer.decision() == applied {
                answer.diagnostics().reason().cloned().collect()
            } else {
                Vec::new()
            }
        };
        let (mut permit, mut forbid) = (Vec::new(), Vec::new());
        for shelf in self.shelves(place) {
            forbid.extend(look(&shelf.forbid, Decision::Deny));
            permit.extend(look(&shelf.permit, Decision::Allow));
        }
        (found.permit, found.forbid) = (permit, forbid);
        found
    }
}

/// The one server that the policy's head confines it to.
fn server(names: &Vocabulary, policy: &Policy) -> Option<String> {
    match policy.resource_constraint() {
        ResourceConstraint::In(place) | ResourceConstraint::IsIn(_, place)
            if *place.type_name() == names.server =>
        {
            Some(place.id().unescaped().to_owned())
        }
        _ => None,
    }
}
