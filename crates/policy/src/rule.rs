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

/// The ids that policies cannot take because they mean the engine's own answers.
pub(crate) const ENGINE: [&str; 2] = ["no_policy", "policy_error"];

impl Rule {
    /// No policy permits.
    pub(crate) fn no_policy() -> Self {
        Self::engine(ENGINE[0], "No policy permits this.")
    }

    /// A rule could not be evaluated.
    pub(crate) fn policy_error() -> Self {
        Self::engine(
            ENGINE[1],
            "The policy could not be evaluated, so nothing was done. An administrator can ask `portcullis policy explain`.",
        )
    }

    fn engine(id: &str, reason: &str) -> Self {
        let (id, reason) = (id.to_owned(), reason.to_owned());
        Self { id, reason, effect: Effect::Forbid, origin: Origin::Engine }
    }

    /// The code under which the audit files this rule: the engine's and the built-in rules have their own, those of
    /// administrators share `policy` and are told apart by their id.
    #[must_use]
    pub fn code(&self) -> &str {
        match self.origin {
            Origin::Engine | Origin::Builtin => &self.id,
            Origin::Policy => "policy",
        }
    }
}
