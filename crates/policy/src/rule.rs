//! A rule as people meet it: by its id and its reason.

/// Whether a rule allows or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It allows, where nothing forbids.
    Permit,
    /// It forbids, whatever permits.
    Forbid,
}

/// Who wrote a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The engine itself: there was no rule, or one failed.
    Engine,
    /// It is one of [`BUILTIN`](crate::BUILTIN).
    Builtin,
    /// An administrator.
    Policy,
}

/// A rule as people meet it. The texts explain; they decide nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`, for the caller.
    pub reason: String,
    /// Whether it allows or forbids.
    pub effect: Effect,
    /// Who wrote it.
    pub origin: Origin,
}

/// The ids that policies cannot take because they mean the engine's own answers, each with its code.
pub(crate) const ENGINE: [(&str, &str); 3] =
    [("no_policy", "no_policy"), ("policy_error", "policy_error"), ("not_forbidden", "not_forbidden")];

impl Rule {
    /// No policy permits.
    pub(crate) fn no_policy() -> Self {
        Self::engine(ENGINE[0].0, "No policy permits this.")
    }

    /// A rule could not be evaluated.
    pub(crate) fn policy_error() -> Self {
        Self::engine(
            ENGINE[1].0,
            "The policy could not be evaluated, so nothing was done. An administrator can ask `portcullis policy explain`.",
        )
    }

    /// What needs no permit of its own is forbidden by no rule.
    pub(crate) fn not_forbidden() -> Self {
        let reason = "No rule forbids this, and it needs no permit of its own.";
        Self { effect: Effect::Permit, ..Self::engine(ENGINE[2].0, reason) }
    }

    fn engine(id: &str, reason: &str) -> Self {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        Self { id, reason, effect: Effect::Forbid, origin: Origin::Engine }
    }

    /// The code under which the audit files what this rule decides, stable across releases. The rules of administrators
    /// share `policy` and are told apart by their ids.
    #[must_use]
    pub fn code(&self) -> &'static str {
        let own = CODES.iter().chain(&ENGINE).find(|(id, _)| *id == self.id).map(|(_, code)| *code);
        own.filter(|_| self.origin != Origin::Policy).unwrap_or("policy")
    }
}

/// The codes of the built-in rules, by id: what is missing to a user has one code, whichever permission it is.
const CODES: [(&str, &str); 11] = [
    ("not_owner", "not_owner"),
    ("connection_not_granted", "connection_not_granted"),
    ("permission_missing", "permission_missing"),
    ("permission_missing_lists", "permission_missing"),
    ("permission_missing_resources", "permission_missing"),
    ("permission_missing_connections", "permission_missing"),
    ("blocked", "blocked"),
    ("removed", "removed"),
    ("changed", "changed"),
    ("quarantined", "quarantined"),
    ("approval_needed", "approval_needed"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicySet;

    #[test]
    fn each_built_in_rule_has_its_code() {
        let rules = PolicySet::parse("").unwrap().rules();
        let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, CODES.map(|(id, _)| id));
        assert_eq!((Rule::no_policy().code(), Rule::policy_error().code()), ("no_policy", "policy_error"));
        assert!(rules.iter().all(|rule| rule.code() != "policy"));
        let own = Rule { id: "mine".to_owned(), origin: Origin::Policy, ..Rule::no_policy() };
        assert_eq!(own.code(), "policy");
    }
}
