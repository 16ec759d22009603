//! Pins: each tool of a connection is held against the definition that was accepted, so that a server cannot become another
//! one behind the back of whoever looked at it (T26, T27). Owns the table `tool_pin`, what counts as the same definition
//! ([`definition`]), what nobody would see in it ([`hidden`]), and how a change is told in words ([`difference`],
//! [`review`]). What follows from a pin is the policy's to say.

mod definition;
mod difference;
pub(crate) mod hidden;
mod news;
mod review;
mod store;

use portcullis_policy::Pin;

pub(crate) use self::definition::Definition;
pub use self::difference::Difference;
pub use self::hidden::{Warning, made_visible};
pub use self::review::{ReviewState, ToolReview};
pub use self::store::Pins;
use crate::policy::Trust;

/// How a tool stands to its pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pinned {
    /// Whether it is as it was accepted. One that was held against nothing is new.
    pub(crate) pin: Pin,
    /// Whether a person accepted it, and not a rule.
    pub(crate) reviewed: bool,
}

/// What was accepted of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Accepted {
    hash: Option<String>,
    by: Option<String>,
}

impl Accepted {
    /// How a tool with the definition `hash` stands to this, at a server that is trusted so far.
    fn stands(&self, hash: &str, trust: Trust) -> Pinned {
        let reviewed = self.by.is_some();
        let pin = match &self.hash {
            None => Pin::New,
            Some(accepted) if accepted != hash => Pin::Changed,
            // What a rule accepted does not count under a rule that accepts nothing.
            Some(_) if !reviewed && trust == Trust::Quarantine => Pin::New,
            Some(_) => Pin::Active,
        };
        Pinned { pin, reviewed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(hash: Option<&str>, by: Option<&str>) -> Accepted {
        Accepted { hash: hash.map(str::to_owned), by: by.map(str::to_owned) }
    }

    /// T27: whatever the trust, what changed since it was accepted waits
    #[test]
    fn a_tool_stands_to_what_was_accepted() {
        for trust in [Trust::Quarantine, Trust::Reading, Trust::All] {
            assert_eq!(accepted(None, None).stands("a", trust).pin, Pin::New);
            assert_eq!(accepted(Some("a"), Some("ada")).stands("a", trust).pin, Pin::Active);
            assert_eq!(accepted(Some("a"), Some("ada")).stands("b", trust).pin, Pin::Changed);
            assert_eq!(accepted(Some("a"), None).stands("b", trust).pin, Pin::Changed);
        }
        assert_eq!(accepted(Some("a"), None).stands("a", Trust::Reading).pin, Pin::Active);
        assert_eq!(accepted(Some("a"), None).stands("a", Trust::Quarantine).pin, Pin::New);
    }
}
