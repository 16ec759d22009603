//! Who asks: whose token it is, and how they are named where somebody's name is kept.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use portcullis_oauth::{PrincipalId, VerifiedBearer};

use super::problem::Problem;

/// Who asks. The bearer check stands before every operation, so there is always one.
#[derive(Clone, Debug)]
pub(super) struct Caller(VerifiedBearer);

impl Caller {
    /// The principal on whose behalf it is done.
    pub(super) fn id(&self) -> &PrincipalId {
        &self.0.principal().id
    }

    /// The token that it is done with.
    pub(super) fn bearer(&self) -> &VerifiedBearer {
        &self.0
    }

    /// The name that versions and blocks keep: the person's address, a machine's identifier.
    pub(super) fn author(&self) -> String {
        self.0.standing().email.clone().unwrap_or_else(|| self.id().to_string())
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let bearer = parts.extensions.get::<VerifiedBearer>().cloned();
        bearer.map(Self).ok_or_else(|| Problem::inside(&Unchecked))
    }
}

/// The routes were put together without the check.
#[derive(Debug, thiserror::Error)]
#[error("an operation was asked for without the bearer check before it")]
struct Unchecked;
