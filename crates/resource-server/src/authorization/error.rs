//! Why a connection has no token, in words for its owner, with a code for the paper trail.

use portcullis_database::DatabaseError;
use portcullis_oauth::client::MetadataFault;
use portcullis_outbound::Unreachable;

/// Why a connection could not be authorised.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// Neither the server nor a well-known place says who issues its tokens.
    #[error(
        "the server does not say who issues tokens for it, so it cannot be authorised in the browser; \
         ask whoever runs it, or use a header"
    )]
    NotOffered,
    /// A document could not be read.
    #[error("{0} could not be read; try again later")]
    Unreachable(&'static str, #[source] Unreachable),
    /// A document was read and is not used.
    #[error("{0} cannot be used: {1}")]
    Metadata(&'static str, #[source] MetadataFault),
    /// The store failed.
    #[error("the connection could not be authorised because a store does not answer; try again later")]
    Database(#[from] DatabaseError),
}

impl AuthorizationError {
    /// A reason code for the paper trail, stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOffered => "metadata_missing",
            Self::Unreachable(_, unreachable) => unreachable.cause.as_str(),
            Self::Metadata(_, fault) => fault.as_str(),
            Self::Database(_) => "unavailable",
        }
    }
}
