//! The bearer token: presented in one way, live, and for exactly this resource (OA21-5-1, MCP-AUTH-6, MCP-AUTH-8).

use std::sync::Arc;

use axum::http::HeaderMap;
use portcullis_oauth::{Resource, Secret, Timestamp, VerifiedBearer, Verifier, VerifyError};

use crate::bearer::{self, Presented};
use crate::challenge::Unauthorized;
use crate::gateway::Inner;
use crate::refusal::Refusal;

/// The token that the request presents.
pub(super) fn presented(headers: &HeaderMap) -> Result<Secret, Refusal> {
    match bearer::presented(headers) {
        Presented::Token(token) => Ok(token),
        Presented::Nothing => Err(Refusal::bearer("token_missing", Unauthorized::Missing)),
        Presented::Malformed(why) => Err(Refusal::bearer("token_malformed", Unauthorized::Malformed(why))),
    }
}

/// Who bears it.
pub(super) async fn verify(
    gateway: &Arc<Inner>,
    resource: &Resource,
    token: &Secret,
    now: Timestamp,
) -> Result<VerifiedBearer, Refusal> {
    gateway.bearers.verify(token, &resource.uri, now).await.map_err(|error| match error {
        VerifyError::Invalid(why) => Refusal::bearer("token_invalid", Unauthorized::Invalid(why)),
        VerifyError::Unavailable(cause) => Refusal::unavailable(cause.as_ref()),
    })
}
