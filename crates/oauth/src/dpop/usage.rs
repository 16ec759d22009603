//! Whose proofs count.

/// How a server uses `DPoP`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DpopUse {
    /// Only with clients that were registered for it; nothing is said of it.
    #[default]
    Off,
    /// With every client that brings a proof.
    On,
    /// With every client.
    Required,
}

impl DpopUse {
    /// Every use, the default first.
    pub const ALL: [Self; 3] = [Self::Off, Self::On, Self::Required];

    /// The word that the setting has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Required => "required",
        }
    }
}
