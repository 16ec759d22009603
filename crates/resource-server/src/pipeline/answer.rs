//! What the pipeline brings back: a result, or an error whose note is in the paper trail already.

use serde_json::json;

use crate::refusal::Refusal;
use crate::reply::Reply;

/// The end of an operation that was not refused on its way.
#[derive(Debug)]
pub(super) enum Answer {
    /// A result.
    Result(Reply),
    /// It was begun and failed; the failure was noted when it happened.
    Failed(Refusal),
}

impl Answer {
    /// Whether it is a failure.
    pub(super) fn is_error(&self) -> bool {
        match self {
            Self::Result(reply) => reply.is_error(),
            Self::Failed(_) => true,
        }
    }

    /// Nothing to say.
    pub(super) fn empty() -> Self {
        Self::Result(json!({}).into())
    }
}
