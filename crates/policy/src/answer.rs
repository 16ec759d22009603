//! What rules say to a case at one assurance, as far as a decision needs it: of those that apply the one that stands first.

use std::sync::Arc;

use crate::Rule;

/// A rule and its place in the order of the text.
pub(crate) type Placed = (usize, Arc<Rule>);

/// What rules say to a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The first that permits.
    pub(crate) permit: Option<Placed>,
    /// The first that forbids.
    pub(crate) forbid: Option<Placed>,
    /// Whether the evaluation of one that could permit failed.
    pub(crate) failed_permit: bool,
    /// Whether the evaluation of one that could forbid failed.
    pub(crate) failed_forbid: bool,
}

impl Answer {
    /// Whether the evaluation of any failed.
    pub(crate) fn failed(&self) -> bool {
        self.failed_permit || self.failed_forbid
    }

    /// What these and others say together.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            permit: first(self.permit, other.permit),
            forbid: first(self.forbid, other.forbid),
            failed_permit: self.failed_permit || other.failed_permit,
            failed_forbid: self.failed_forbid || other.failed_forbid,
        }
    }
}

fn first(one: Option<Placed>, other: Option<Placed>) -> Option<Placed> {
    one.into_iter().chain(other).min_by_key(|(place, _)| *place)
}
