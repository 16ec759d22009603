//! The one error of the JSON endpoints: named by its registered code, a description for the client, a cause for the log.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

/// The registered error codes that this server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// OAuth 2.1 §3.2.4, §4.1.2.1.
    InvalidRequest,
    /// OAuth 2.1 §3.2.4: client authentication failed.
    InvalidClient,
    /// OAuth 2.1 §3.2.4: the code or refresh token is not good.
    InvalidGrant,
    /// OAuth 2.1 §3.2.4: this client may not use this grant.
    UnauthorizedClient,
    /// OAuth 2.1 §3.2.4: this server knows no such grant.
    UnsupportedGrantType,
    /// OAuth 2.1 §4.1.2.1.
    UnsupportedResponseType,
    /// OAuth 2.1 §1.4.1.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// OAuth 2.1 §4.1.2.1: the user said no.
    AccessDenied,
    /// OAuth 2.1 §4.1.2.1.
    ServerError,
    /// OAuth 2.1 §4.1.2.1: overloaded, or asked too often.
    TemporarilyUnavailable,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// RFC 8628 §3.5: the user has not answered yet.
    AuthorizationPending,
    /// RFC 8628 §3.5: asked too soon; the interval is five seconds longer from now on.
    SlowDown,
    /// RFC 8628 §3.5: the device code's time is over.
    ExpiredToken,
    /// OpenID Connect Core §3.1.2.6: `prompt=none` and nobody signed in.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6: `prompt=none` and consent is needed.
    ConsentRequired,
    /// RFC 9449 §5, §7.1: the proof of possession is not good.
    InvalidDpopProof,
    /// RFC 9449 §8, §9: the proof of possession needs the nonce that comes with this answer.
    UseDpopNonce,
}

impl ErrorCode {
    /// The code on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }

    /// The code of this name, as somebody else's server sends it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
    }

    /// The HTTP status of a JSON answer with this code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the code, what the client may know, and what only the log may.
#[derive(Debug)]
pub struct Error {
    /// The registered code.
    pub code: ErrorCode,
    /// For the client's developer; kept inside the character set of OAuth 2.1 §3.2.4 (OA21-3.2.4-1).
    pub description: Cow<'static, str>,
    /// For the log, once, at the edge.
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// When to come again (`Retry-After`); with it the status is 429, or 503 for [`ErrorCode::TemporarilyUnavailable`].
    pub retry_after: Option<u64>,
}

impl Error {
    /// A refusal with a description for the client.
    #[must_use]
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let description = match description.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text),
            Cow::Owned(text) => Cow::Owned(text.chars().map(|c| if allowed(c) { c } else { '?' }).collect()),
        };
        Self { code, description, cause: None, retry_after: None }
    }

    /// An internal fault: the client learns nothing of it but the trace id (ASVS-16.5.1).
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(ErrorCode::ServerError, "the server met an unexpected condition")
        }
    }

    /// The refusal of a caller that asks too often: HTTP 429 with `Retry-After`.
    #[must_use]
    pub fn too_many_requests(retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(ErrorCode::InvalidRequest, "too many requests: wait as long as Retry-After says")
        }
    }

    /// The HTTP status of this answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match (self.retry_after, self.code) {
            (Some(_), ErrorCode::InvalidRequest) => 429,
            _ => self.code.status(),
        }
    }

    /// The JSON body (OAuth 2.1 §3.2.4).
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: self.code, error_description: self.description.clone().into_owned() }
    }
}

/// `%x20-21 / %x23-5B / %x5D-7E`
fn allowed(c: char) -> bool {
    matches!(c, '\x20'..='\x7e') && c != '"' && c != '\\'
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

/// What a client reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The registered code.
    pub error: ErrorCode,
    /// Text for the client's developer.
    pub error_description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OA21-3.2.4-1
    #[test]
    fn a_description_stays_inside_its_character_set() {
        let error = Error::new(ErrorCode::InvalidRequest, format!("no {} here", "\"q\"\\\r\n\u{e9}"));
        assert_eq!(error.description, "no ?q????? here");
    }

    #[test]
    fn the_wire_name_is_the_serde_name() {
        for code in [ErrorCode::InvalidGrant, ErrorCode::UseDpopNonce, ErrorCode::InvalidDpopProof] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(ErrorCode::parse(code.as_str()), Some(code));
        }
    }
}
