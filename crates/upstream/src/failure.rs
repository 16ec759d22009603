//! Why a request has no result.

use std::time::Duration;

use crate::RpcError;

/// Why a request has no result. The texts are for people; whoever needs to act matches.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// 401: the credentials are missing or not taken.
    #[error("the server does not accept the connection's credentials")]
    Unauthorized {
        /// `WWW-Authenticate`, as the server wrote it.
        challenge: Option<String>,
    },
    /// 403 that asks for more scope (RFC 6750 §3.1).
    #[error("the server wants more permissions than the connection was given")]
    InsufficientScope {
        /// `WWW-Authenticate`, as the server wrote it.
        challenge: String,
    },
    /// 403 that asks for nothing.
    #[error("the server refuses this")]
    Forbidden,
    /// 429 or 503: the server has no time now.
    #[error("the server is overloaded or limits how often it is called; try again later")]
    Overloaded {
        /// `Retry-After`, if it was given in seconds.
        retry_after: Option<Duration>,
    },
    /// The server answered with a status that says nothing more.
    #[error("the server answered with HTTP status {status}")]
    Status {
        /// Which.
        status: u16,
    },
    /// The server answered with a JSON-RPC error.
    #[error("the server answered: {} ({})", .0.message, .0.code)]
    Rpc(RpcError),
    /// No answer within the time of the request.
    #[error("the server did not answer in time")]
    Timeout,
    /// The answer is longer than allowed.
    #[error("the server's answer is longer than {limit} bytes")]
    TooLarge {
        /// How many bytes are allowed.
        limit: usize,
    },
    /// Nobody answers there, or the address may not be called. The request was not carried out.
    #[error("the server cannot be reached: {cause}")]
    Unreachable {
        /// In words.
        cause: String,
    },
    /// The server sends elsewhere. Nobody goes there: the credentials are for this address (T15).
    #[error("the server redirects to another address; if that is right, register that address")]
    Redirected,
    /// What answers is no MCP server, or breaks the protocol.
    #[error("the answer is not MCP: {reason}")]
    NotMcp {
        /// In words.
        reason: String,
    },
    /// As many requests as allowed are under way or waiting.
    #[error("too many requests to this server are under way; try again in a moment")]
    Busy,
    /// The server failed so often that it is left alone for a while.
    #[error("the server failed several times in a row and is left alone for {} s", .retry_after.as_secs())]
    BreakerOpen {
        /// How long still.
        retry_after: Duration,
    },
    /// The connection broke after the request was sent: it may have been carried out.
    #[error(
        "the connection to the server broke before its answer was complete; the request may have been carried out"
    )]
    Lost,
    /// The connection was ended here meanwhile: disabled, removed, or given other credentials.
    #[error("the connection was ended")]
    Ended,
    /// The server was asked to tell when a resource changes, and does not say that it will.
    #[error("the server does not tell when this resource changes")]
    NotOffered,
}

impl Failure {
    /// A reason code for the paper trail, stable across releases.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "upstream_unauthorized",
            Self::InsufficientScope { .. } => "upstream_insufficient_scope",
            Self::Forbidden => "upstream_forbidden",
            Self::Overloaded { .. } => "upstream_overloaded",
            Self::Status { .. } => "upstream_status",
            Self::Rpc(_) => "upstream_error",
            Self::Timeout => "upstream_timeout",
            Self::TooLarge { .. } => "upstream_too_large",
            Self::Unreachable { .. } => "upstream_unreachable",
            Self::Redirected => "upstream_redirected",
            Self::NotMcp { .. } => "upstream_not_mcp",
            Self::Busy => "upstream_busy",
            Self::BreakerOpen { .. } => "upstream_breaker_open",
            Self::Lost => "upstream_lost",
            Self::Ended => "upstream_ended",
            Self::NotOffered => "upstream_not_offered",
        }
    }

    /// Whether the request may have been carried out although there is no result.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        match self {
            Self::Timeout | Self::TooLarge { .. } | Self::NotMcp { .. } | Self::Lost | Self::Ended => true,
            Self::Status { status } => *status >= 500,
            _ => false,
        }
    }

    /// Whether the same request may succeed later, as far as the server's words go.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::NotOffered => false,
            // JSON-RPC 2.0 §5.1: an internal error says nothing of the request.
            Self::Rpc(error) => error.code == -32_603,
            _ => true,
        }
    }

    /// Whether it speaks of the server's health, and so counts for the breaker: who answers, with whatever refusal, is up.
    pub(crate) const fn is_ill(&self) -> bool {
        match self {
            Self::Timeout
            | Self::TooLarge { .. }
            | Self::Unreachable { .. }
            | Self::Redirected
            | Self::NotMcp { .. }
            | Self::Lost => true,
            Self::Status { status } => *status >= 500,
            _ => false,
        }
    }

    pub(crate) fn not_mcp(reason: impl Into<String>) -> Self {
        Self::NotMcp { reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(code: i64) -> Failure {
        Failure::Rpc(RpcError { code, message: "no".into(), data: None })
    }

    /// HTTP26-21: who said no to a resource is not asked for it again; who could not say is
    #[test]
    fn a_no_of_the_server_does_not_pass() {
        for refused in [Failure::NotOffered, rpc(-32_601), rpc(-32_602), rpc(-32_002), rpc(7)] {
            assert!(!refused.may_pass(), "{refused}");
        }
        for for_now in
            [rpc(-32_603), Failure::Timeout, Failure::Overloaded { retry_after: None }, Failure::Lost]
        {
            assert!(for_now.may_pass(), "{for_now}");
        }
    }
}
