//! What is wrong with a document that was read, in words for the person who waits for the connection.

use super::RemoteUrlError;

/// Why a metadata document is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    /// Not an object, or one that says a member twice.
    #[error("it is not a JSON object that says each member once")]
    NotJson,
    /// A member is missing or of another type.
    #[error("its member {0} is missing or is not what it should be")]
    Member(&'static str),
    /// A URL may not be called (T09, T13).
    #[error("its {0} {1}")]
    Url(&'static str, RemoteUrlError),
    /// R9728-3.3-1: the document is about something else.
    #[error("it is about another resource than the server")]
    Resource,
    /// R8414-3.3-1: the document is another issuer's.
    #[error("it is about another issuer than the one that was asked")]
    Issuer,
    /// MCP-AUTH-19: without it a stolen code could be redeemed.
    #[error("it does not offer PKCE with S256, without which MCP clients must not go on")]
    Pkce,
    /// The authorization code flow is not offered.
    #[error("it does not offer the authorization code flow")]
    CodeFlow,
}

impl MetadataFault {
    /// A reason code for the paper trail, stable across releases.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotJson => "metadata_not_json",
            Self::Member(_) => "metadata_member",
            Self::Url(..) => "metadata_url",
            Self::Resource => "resource_mismatch",
            Self::Issuer => "issuer_mismatch",
            Self::Pkce => "pkce_missing",
            Self::CodeFlow => "code_flow_missing",
        }
    }
}
