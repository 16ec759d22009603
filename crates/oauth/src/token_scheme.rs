//! How an access token is presented (RFC 9110 §11.1) and what its `token_type` says (OAuth 2.1 §1.4).

use crate::JwkThumbprint;

/// The two schemes that access tokens of ours have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenScheme {
    /// Whoever has it may use it (RFC 6750).
    #[default]
    Bearer,
    /// Only with a proof of the key that it is bound to (RFC 9449).
    Dpop,
}

impl TokenScheme {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    /// The scheme of this name, in whatever case (RFC 9110 §11.1).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Bearer, Self::Dpop].into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }

    /// The scheme of a token that is bound to this key, if to any.
    #[must_use]
    pub const fn of(key: Option<&JwkThumbprint>) -> Self {
        if key.is_some() { Self::Dpop } else { Self::Bearer }
    }
}
