//! Why nothing was read. What a stranger may learn is one sentence, whatever the cause (A30).

use crate::address::Reach;

/// Nothing was read. Displays the same whatever happened; the cause is for the paper trail.
#[derive(Debug, thiserror::Error)]
#[error("the address could not be read")]
pub struct Unreachable {
    /// What happened.
    pub cause: Failure,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Not an absolute URL in its plain spelling, or with user information.
    #[error("not a plain absolute URL")]
    Url,
    /// Neither https nor, where that is allowed, http to this computer.
    #[error("not https")]
    Scheme,
    /// The name has no address.
    #[error("the name does not resolve: {0}")]
    Unresolved(std::io::Error),
    /// Every address is one that strangers may not have us call.
    #[error("an address that is not called: {0:?}")]
    Address(Reach),
    /// Nobody answers there.
    #[error("no connection: {0}")]
    Connection(std::io::Error),
    /// The certificate is not believed, or there is no TLS.
    #[error("no trusted TLS: {0}")]
    Tls(std::io::Error),
    /// The request went out and its answer broke off: what was asked for may have happened.
    #[error("the answer broke off: {0}")]
    Lost(hyper::Error),
    /// What answers does not speak HTTP.
    #[error("not HTTP: {0}")]
    Http(hyper::Error),
    /// The answer is compressed, which was not asked for.
    #[error("the answer is encoded")]
    Encoded,
    /// The answer is longer than allowed.
    #[error("the answer is too long")]
    TooLarge,
    /// It took longer than allowed.
    #[error("it took too long")]
    Timeout,
}

impl Failure {
    /// A reason code for the paper trail, stable across releases.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Url => "url_malformed",
            Self::Scheme => "url_not_https",
            Self::Unresolved(_) => "name_unresolved",
            Self::Address(_) => "address_refused",
            Self::Connection(_) => "connection_failed",
            Self::Tls(_) => "tls_failed",
            Self::Lost(_) => "answer_lost",
            Self::Http(_) => "answer_not_http",
            Self::Encoded => "answer_encoded",
            Self::TooLarge => "answer_too_large",
            Self::Timeout => "timeout",
        }
    }
}

impl From<Failure> for Unreachable {
    fn from(cause: Failure) -> Self {
        Self { cause }
    }
}
