//! Why a connection has no token, in words for its owner, with a code for the paper trail.

use portcullis_database::DatabaseError;
use portcullis_oauth::client::MetadataFault;
use portcullis_oauth::{ErrorCode, Seconds};
use portcullis_outbound::Unreachable;

use crate::connections::Standing;
use crate::credentials::CredentialError;

/// Why a connection could not be authorised.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The connection does not sign in with OAuth, or its server is gone, switched off or not reached over HTTP.
    #[error("this connection does not sign in with OAuth, or its server is not offered any more")]
    NotOauth,
    /// Neither the server nor a well-known place says who issues its tokens.
    #[error(
        "the server does not say who issues tokens for it, so it cannot be authorised in the browser; \
         ask whoever runs it, or use a header"
    )]
    NotOffered,
    /// A document could not be read.
    #[error("{0} could not be reached; try again later")]
    Unreachable(&'static str, #[source] Unreachable),
    /// A document was read and is not used.
    #[error("{0} cannot be used: {1}")]
    Metadata(&'static str, #[source] MetadataFault),
    /// The issuer takes no client that it does not know.
    #[error(
        "{0} lets no client register by itself; an administrator has to register this gateway there, with the redirect \
         URI {1}, and to give the client identifier to the command `server client`"
    )]
    NoRegistration(String, String),
    /// The issuer did not want us.
    #[error("the server's authorization server refused to register this gateway: {0}")]
    RegistrationRefused(String),
    /// An admin registered us at another issuer.
    #[error(
        "the server names another authorization server than {0}, where an administrator registered this gateway; \
         ask them to register it anew"
    )]
    GivenElsewhere(String),
    /// The answer belongs to no request that this person began in this browser a short while ago (T03, SBP-4).
    #[error(
        "this answer belongs to no request that you began in this browser in the last ten minutes; \
         start again from the connection's page"
    )]
    NotYours,
    /// The answer is another issuer's (T07). Nothing of it is shown.
    #[error("the answer does not come from the authorization server that was asked; nothing of it was used")]
    Foreign,
    /// The person or the issuer said no.
    #[error("{}", refusal(*.0))]
    Refused(Option<ErrorCode>),
    /// The issuer does not know us any more.
    #[error(
        "the authorization server does not know this gateway any more; start again from the connection's page"
    )]
    Unknown,
    /// There was no token in what the token endpoint answered.
    #[error("the authorization server gave no token: {0}")]
    NoToken(&'static str),
    /// A sealed value did not open.
    #[error("a stored secret does not open: an administrator should run `keys verify`")]
    Sealed,
    /// The tokens could not be kept.
    #[error("the tokens could not be kept; try again later")]
    Credentials(#[from] CredentialError),
    /// The store failed.
    #[error("the connection could not be authorised because a store does not answer; try again later")]
    Database(#[from] DatabaseError),
}

const fn refusal(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::AccessDenied) => "access was denied at the other side; nothing was connected",
        Some(ErrorCode::InvalidScope) => {
            "the authorization server does not give the permissions that the server asks for"
        }
        Some(ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError) => {
            "the authorization server cannot answer just now; try again later"
        }
        _ => "the authorization server refused the request",
    }
}

impl AuthorizationError {
    /// A reason code for the paper trail, stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOauth => "not_oauth",
            Self::NotOffered => "metadata_missing",
            Self::Unreachable(_, unreachable) => unreachable.cause.as_str(),
            Self::Metadata(_, fault) => fault.as_str(),
            Self::NoRegistration(..) => "registration_missing",
            Self::RegistrationRefused(_) => "registration_refused",
            Self::GivenElsewhere(_) => "issuer_changed",
            Self::NotYours => "state_unknown",
            Self::Foreign => "issuer_mismatch",
            Self::Refused(Some(code)) => code.as_str(),
            Self::Refused(None) => "refused_upstream",
            Self::Unknown => ErrorCode::InvalidClient.as_str(),
            Self::NoToken(_) => "no_token",
            Self::Sealed => "sealed",
            Self::Credentials(_) | Self::Database(_) => "unavailable",
        }
    }

    /// Whether the server itself is at fault, and not something that the person sent.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        matches!(self, Self::Sealed | Self::Credentials(_) | Self::Database(_))
    }
}

/// Why there is no access token for a call just now. Displays as words for the connection's owner.
#[derive(Debug, thiserror::Error)]
pub enum NoAccess {
    /// Only its owner can go on, at this page of the gateway's own.
    #[error("{words} Its owner can authorise it again at {page}")]
    NeedsUser {
        /// Why, as a code that is stable across releases.
        code: &'static str,
        /// Why, for people.
        words: &'static str,
        /// Where to go on.
        page: String,
    },
    /// The authorization server does not answer as it should; a later call may find it better.
    #[error("{words} It will be tried again in {} seconds.", seconds.0)]
    Later {
        /// Why, as a code that is stable across releases.
        code: &'static str,
        /// Why, for people.
        words: &'static str,
        /// When it will be tried again.
        seconds: Seconds,
    },
    /// A store failed.
    #[error("the connection's tokens could not be read")]
    Store(#[from] CredentialError),
}

impl NoAccess {
    /// How the connection stands because of it; `None` for a fault of ours.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::NeedsUser { code, words, .. } => Some(Standing::reauth_required(code, *words)),
            Self::Later { code, words, .. } => Some(Standing::degraded(code, *words)),
            Self::Store(_) => None,
        }
    }
}

impl From<DatabaseError> for NoAccess {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.into())
    }
}
