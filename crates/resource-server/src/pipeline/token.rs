//! The access token: presented in one way, live, for exactly this resource (OA21-5-1, MCP-AUTH-6, MCP-AUTH-8), and by who may
//! use it (RFC 9449 §7).

use std::sync::Arc;

use axum::http::request::Parts;
use portcullis_oauth::{Resource, Timestamp, TokenScheme, VerifiedBearer, Verifier, VerifyError};

use super::Caller;
use super::case::Case;
use crate::bearer::{self, Presented};
use crate::challenge::Unauthorized;
use crate::gateway::Inner;
use crate::possession::Presentation;
use crate::protocol::code;
use crate::refusal::Refusal;

/// The token that the request presents.
pub(super) fn presented(parts: &Parts) -> Result<Presentation, Refusal> {
    let scheme = TokenScheme::Bearer;
    match bearer::presented(&parts.headers) {
        Presented::Token(token, scheme) => {
            Ok(Presentation::new((token, scheme), (&parts.method, parts.uri.path()), &parts.headers))
        }
        Presented::Nothing => Err(Refusal::bearer("token_missing", Unauthorized::Missing, scheme)),
        Presented::Malformed(why, scheme) => {
            Err(Refusal::bearer("token_malformed", Unauthorized::Malformed(why), scheme))
        }
    }
}

/// Who bears it. What the cache remembers is the token; who presents it is asked each time.
pub(super) async fn verify(
    gateway: &Arc<Inner>,
    resource: &Resource,
    presented: &Presentation,
    case: &mut Case,
) -> Result<VerifiedBearer, Refusal> {
    let (scheme, now) = (presented.scheme(), case.now);
    let verified = gateway.bearers.verify(presented.token(), &resource.uri, now).await;
    let bearer = verified.map_err(|error| match error {
        VerifyError::Invalid(why) => Refusal::bearer("token_invalid", Unauthorized::Invalid(why), scheme),
        VerifyError::Unavailable(cause) => Refusal::unavailable(cause.as_ref()),
    })?;
    let checked = gateway.possession.check(presented, &bearer, now).await;
    case.next_nonce = checked.map_err(|why| Refusal::bearer(reason(&why), why, scheme))?;
    case.caller(&bearer);
    Ok(bearer)
}

/// The same caller, judged anew after their request waited: what was revoked meanwhile is dead (T45). Possession was proven
/// when the request came, and its proof is good for once.
pub(super) async fn again(caller: &Caller, now: Timestamp) -> Result<Caller, Refusal> {
    let verified = caller.gateway.bearers.verify(&caller.token, &caller.resource.uri, now).await;
    // The answer has begun, so its status cannot say so any more.
    let bearer = verified.map_err(|error| match error {
        VerifyError::Invalid(_) => {
            Refusal::error("token_invalid", code::TRANSPORT, "the access token is no longer valid")
        }
        VerifyError::Unavailable(cause) => Refusal::unavailable(cause.as_ref()),
    })?;
    if let Some(session) = &caller.session {
        super::session::still(caller, session, now).await?;
    }
    Ok(Caller { bearer, ..caller.clone() })
}

fn reason(why: &Unauthorized) -> &'static str {
    match why {
        Unauthorized::Unproven(_) => "token_unproven",
        Unauthorized::NonceNeeded(_) => "proof_nonce",
        Unauthorized::Unavailable => "unavailable",
        _ => "proof_invalid",
    }
}
