//! Why something that was allowed gave no result, in words for the caller that say what can be done and hold no secret.

use portcullis_oauth::{Alias, PublicUrl};
use portcullis_upstream::{Failure as Wire, RpcError};
use serde_json::Value;

use crate::connections::Connection;
use crate::relay::{Kind, Secrets};

/// Longer sentences of a server's errors are cut, in characters.
const LONGEST: usize = 2_000;
/// What else a server says of its error is not passed on if it is longer, in bytes of JSON.
const LARGEST: usize = 16 * 1024;

/// Why something that was allowed gave no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something that the caller can mend; the text is for them.
    Told(String),
    /// The server did not do it, or not as it should; a reason code and a text for the caller.
    Upstream(&'static str, String),
    /// The server answered with an error of the protocol, which is the caller's to read.
    Rpc {
        /// Its code.
        code: i64,
        /// Its sentence.
        message: String,
        /// What else it says.
        data: Option<Value>,
    },
    /// The server does not offer this; the text is for the caller.
    NotOffered(String),
    /// Something inside; the caller learns a trace id, the log the cause.
    Inside(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// What the wire says, for the caller.
    pub(super) fn of(
        failure: Wire,
        connection: &Connection,
        (page, secrets): (&PublicUrl, &Secrets),
    ) -> Self {
        let alias = &connection.alias;
        let reason = failure.as_str();
        match failure {
            Wire::Rpc(RpcError { code, message, data }) => Self::Rpc {
                code,
                message: secrets.removed_from_text(message).chars().take(LONGEST).collect(),
                data: data
                    .filter(|data| data.get().len() <= LARGEST)
                    .and_then(|data| serde_json::from_str(data.get()).ok())
                    .map(|data| secrets.removed_from_value(data)),
            },
            Wire::Unauthorized { .. } | Wire::InsufficientScope { .. } => Self::Upstream(
                reason,
                format!(
                    "{alias}: {failure}. Its owner can authorise it again at {page}/connections/{alias}."
                ),
            ),
            Wire::NotOffered => Self::not_offered(connection),
            failure => {
                let text = secrets.removed_from_text(failure.to_string());
                Self::Upstream(reason, format!("{alias}: {text}."))
            }
        }
    }

    /// The owner of the connection has to do something first.
    pub(super) fn needs_owner(
        connection: &Connection,
        (code, words): (&'static str, &str),
        page: &PublicUrl,
    ) -> Self {
        let alias = &connection.alias;
        Self::Upstream(
            code,
            format!("{alias}: {words} Its owner can see to it at {page}/connections/{alias}."),
        )
    }

    /// Another time it may work.
    pub(super) fn later(connection: &Connection, words: &str) -> Self {
        Self::Upstream("upstream_later", format!("{}: {words}", connection.alias))
    }

    /// The server does not tell when a resource changes.
    pub(super) fn not_offered(connection: &Connection) -> Self {
        Self::NotOffered(format!("{}: {}.", connection.alias, Wire::NotOffered))
    }

    /// Nobody can watch more of this connection.
    pub(super) fn too_many(connection: &Connection) -> Self {
        let text = format!("{}: too many of its resources are watched already.", connection.alias);
        Self::Upstream("subscriptions_full", text)
    }

    /// What the server sent is no result.
    pub(super) fn not_a_result(connection: &Connection) -> Self {
        let text = format!("{}: the server's answer is not one that the protocol knows.", connection.alias);
        Self::Upstream("upstream_not_mcp", text)
    }

    /// What the server wants to ask is not asked, or not answered.
    pub(crate) fn asks_back(alias: &Alias, kind: Kind, why: &dyn std::fmt::Display) -> Self {
        let text = format!("{alias}: the server asks something back that is not passed on: {why}.");
        match kind {
            Kind::Elicitation => Self::Upstream("elicitation_refused", text),
            Kind::Sampling => Self::Upstream("sampling_refused", text),
            Kind::Roots => Self::Upstream("roots_refused", text),
        }
    }

    /// The word for it in lists.
    pub(super) fn as_missing(&self) -> &'static str {
        match self {
            Self::Upstream(reason, _) => reason,
            Self::Rpc { .. } => "upstream_error",
            Self::Told(_) | Self::NotOffered(_) | Self::Inside(_) => "unavailable",
        }
    }
}
