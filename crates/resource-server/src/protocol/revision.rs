//! Protocol revisions and the two eras: with sessions up to 2025-11-25, stateless since 2026-07-28.

/// A revision that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revision {
    /// The first with Streamable HTTP.
    V2025_03_26,
    /// Adds the version header and structured results.
    V2025_06_18,
    /// The last with sessions.
    V2025_11_25,
    /// Stateless: each request says everything itself.
    V2026_07_28,
}

/// How requests belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// `initialize` opens a session that later requests name.
    Session,
    /// Each request stands alone (HTTP26-19).
    Stateless,
}

impl Revision {
    /// Every revision, the newest first: what `server/discover` and refusals name.
    pub(crate) const ALL: [Self; 4] =
        [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26];

    /// The revision's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// Every revision's name.
    pub(crate) fn names() -> Vec<&'static str> {
        Self::ALL.into_iter().map(Self::as_str).collect()
    }

    /// The era that it belongs to.
    pub(crate) const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Stateless,
            _ => Era::Session,
        }
    }

    /// What `initialize` answers to a client that asked for `requested`: the same if it is one with sessions, else the
    /// newest of those (a 2024-11-05 client negotiates up).
    pub(crate) fn negotiate(requested: &str) -> Self {
        Self::parse(requested).filter(|revision| revision.era() == Era::Session).unwrap_or(Self::V2025_11_25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_answers_with_what_was_asked_for_or_the_newest_with_sessions() {
        for (asked, answered) in [
            ("2025-06-18", "2025-06-18"),
            ("2025-03-26", "2025-03-26"),
            ("2024-11-05", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("", "2025-11-25"),
        ] {
            assert_eq!(Revision::negotiate(asked).as_str(), answered);
        }
    }
}
