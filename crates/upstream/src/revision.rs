//! Protocol revisions as a client meets them, and the two eras: with sessions up to 2025-11-25, stateless since 2026-07-28.

/// A revision that some server may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// The one of HTTP with SSE; servers over stdio still answer with it.
    V2024_11_05,
    /// The first with Streamable HTTP.
    V2025_03_26,
    /// Adds the version header.
    V2025_06_18,
    /// The last with sessions.
    V2025_11_25,
    /// Stateless: each request says everything itself.
    V2026_07_28,
}

/// How requests belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize` opens a session that later requests name.
    Session,
    /// Each request stands alone.
    Stateless,
}

impl Revision {
    const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The revision's name, as the protocol writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// The era that it belongs to.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Stateless,
            _ => Era::Session,
        }
    }
}
