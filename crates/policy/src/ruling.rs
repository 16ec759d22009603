//! A decision in a word, for cases that are kept in files and for calls that are decided again.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Assurance, Decision};

/// A decision without the rule that made it. Ordered: more is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ruling {
    /// Allowed as it is.
    Allow,
    /// Allowed with this assurance.
    Needs(Assurance),
    /// Denied.
    Deny,
}

impl Ruling {
    /// Each of them, the mildest first.
    const ALL: [Self; 5] = [
        Self::Allow,
        Self::Needs(Assurance::Client),
        Self::Needs(Assurance::Session),
        Self::Needs(Assurance::SecondPerson),
        Self::Deny,
    ];

    /// Reads `allow`, `needs 1` to `needs 3`, or `deny`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ruling| ruling.to_string() == text)
    }
}

impl From<&Decision> for Ruling {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Allow { .. } => Self::Allow,
            Decision::NeedsAssurance { level, .. } => Self::Needs(*level),
            Decision::Deny { .. } => Self::Deny,
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Needs(level) => write!(f, "needs {}", level.level()),
            Self::Deny => f.write_str("deny"),
        }
    }
}

impl Serialize for Ruling {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ruling {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("no ruling"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruling_is_read_as_it_was_written() {
        for ruling in Ruling::ALL {
            assert_eq!(Ruling::parse(&ruling.to_string()), Some(ruling));
        }
        assert_eq!(Ruling::parse("needs 0"), None);
        assert!(Ruling::ALL.is_sorted());
    }
}
