//! Token type identifiers (RFC 8693 §3).

/// The types of token that an exchange takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token of this server.
    AccessToken,
}

impl TokenType {
    /// The registered identifier.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
        }
    }

    /// The type of this identifier.
    #[must_use]
    pub fn parse(identifier: &str) -> Option<Self> {
        (identifier == Self::AccessToken.as_str()).then_some(Self::AccessToken)
    }
}
