//! How a connection stands: the life cycle as an enum, and what is said of it.

/// Whether a connection can be used. `active` means that an authenticated list of its tools succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// Begun, not yet authorised.
    Draft,
    /// Being authorised.
    Connecting,
    /// Works.
    Active,
    /// The upstream no longer takes its credentials.
    ReauthRequired,
    /// The upstream does not answer as it should.
    Degraded,
    /// Held back until somebody looks at what changed.
    Quarantined,
    /// Switched off by its owner or an admin.
    Disabled,
}

impl ConnectionStatus {
    const ALL: [Self; 7] = [
        Self::Draft,
        Self::Connecting,
        Self::Active,
        Self::ReauthRequired,
        Self::Degraded,
        Self::Quarantined,
        Self::Disabled,
    ];

    /// The status as its column holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::ReauthRequired => "reauth_required",
            Self::Degraded => "degraded",
            Self::Quarantined => "quarantined",
            Self::Disabled => "disabled",
        }
    }

    /// Whether clients reach its server: one that failed is tried again, since only its answers tell that it is well.
    #[must_use]
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::Active | Self::Degraded)
    }

    /// The same as people are told, after the connection's name.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Draft => "is not set up yet",
            Self::Connecting => "was never tried, or is being tried just now",
            Self::Active => "works",
            Self::ReauthRequired => "has to be authorised again",
            Self::Degraded => "does not answer as it should",
            Self::Quarantined => "is held back until its owner has looked at what changed",
            Self::Disabled => "is switched off",
        }
    }
}

impl TryFrom<String> for ConnectionStatus {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::ALL.into_iter().find(|status| status.as_str() == name).ok_or(name)
    }
}

/// A status with its reason, as it was just learned from the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub(super) status: ConnectionStatus,
    pub(super) code: Option<&'static str>,
    pub(super) words: Option<String>,
}

impl Standing {
    /// It works.
    #[must_use]
    pub const fn active() -> Self {
        Self { status: ConnectionStatus::Active, code: None, words: None }
    }

    /// Its credentials are there and were not tried.
    #[must_use]
    pub const fn connecting() -> Self {
        Self { status: ConnectionStatus::Connecting, code: None, words: None }
    }

    /// The upstream no longer takes its credentials. `code` is stable across releases; `words` tell its owner why, and
    /// what to do.
    #[must_use]
    pub fn reauth_required(code: &'static str, words: impl Into<String>) -> Self {
        Self { status: ConnectionStatus::ReauthRequired, code: Some(code), words: Some(words.into()) }
    }

    /// The upstream does not answer as it should.
    #[must_use]
    pub fn degraded(code: &'static str, words: impl Into<String>) -> Self {
        Self { status: ConnectionStatus::Degraded, code: Some(code), words: Some(words.into()) }
    }

    /// Held back until somebody looks at what changed.
    #[must_use]
    pub fn quarantined(code: &'static str, words: impl Into<String>) -> Self {
        Self { status: ConnectionStatus::Quarantined, code: Some(code), words: Some(words.into()) }
    }

    /// Whether it is the upstream's doing that it does not work.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(self.status, ConnectionStatus::ReauthRequired | ConnectionStatus::Degraded)
    }
}
