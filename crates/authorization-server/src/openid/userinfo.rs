//! `UserInfo` (OpenID Connect Core §5.3): who signed in, to whoever holds an access token for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{
    Error, ErrorCode, PrincipalId, Resource, Secret, Timestamp, VerifiedBearer, VerifyError, scopes,
};
use portcullis_web::Peer;
use serde::Serialize;

use crate::Core;
use crate::client_authentication::access_token;
use crate::dpop;
use crate::refusal::{Refusal, no_store};
use crate::store::IdentityRow;
use crate::verifier::present;

/// OpenID Connect Core §5.3.2: `sub` always, the rest by scope.
#[derive(Serialize)]
struct Answer<'a> {
    sub: &'a PrincipalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

/// `GET /oauth/userinfo`, `POST /oauth/userinfo`: the token is in the header alone (OA21-5.1-1), with a proof if it is
/// bound to a key; a body is not read.
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    let Some((token, scheme)) = access_token(&headers) else {
        let text = "this endpoint takes an access token, in the Authorization header";
        return Err(dpop::challenged(&core, Refusal::new(ErrorCode::InvalidToken, text)));
    };
    let Some(userinfo) = core.resources.userinfo() else { return Err(unacceptable()) };
    match tell(&core, userinfo, &token, now).await? {
        Ok((bearer, row)) => {
            let shown = (&token, scheme);
            let proven = dpop::prove_possession(&core, &bearer, shown, (&method, &headers), now).await;
            let proof = match proven {
                Ok(proof) => proof,
                Err(refusal) => {
                    let event = Event::new(now, Action::UserInfo, Outcome::Refused).because(refusal.code());
                    core.note(event.through(bearer.client_id())).await;
                    return Err(refusal);
                }
            };
            let event = Event::new(now, Action::UserInfo, Outcome::Done).by(&row.principal_id);
            // What is told of a person leaves only with its trace.
            core.trail
                .record(event.through(bearer.client_id()).with(serde_json::json!({"scope": bearer.scope()})))
                .await?;
            Ok(dpop::renewing(answer(&bearer, &row), proof.as_ref()))
        }
        Err(reason) => {
            if let Err(seconds) = core.secret_guard.admit(&format!("{peer} userinfo"), now) {
                return Err(Error::too_many_requests(seconds).into());
            }
            core.note(Event::new(now, Action::UserInfo, Outcome::Refused).because(reason)).await;
            if reason == ErrorCode::InsufficientScope.as_str() {
                return Err(Refusal::new(ErrorCode::InsufficientScope, "the token lacks the scope openid"));
            }
            Err(unacceptable())
        }
    }
}

/// A live token for exactly this resource, of a person who is not signed out: or the reason why it is not one.
async fn tell(
    core: &Core,
    userinfo: &Resource,
    token: &Secret,
    now: Timestamp,
) -> Result<Result<(VerifiedBearer, IdentityRow), &'static str>, Refusal> {
    let bearer = match present(core, token, &userinfo.uri, now).await {
        Ok(bearer) => bearer,
        Err(VerifyError::Invalid(reason)) => return Ok(Err(reason)),
        Err(VerifyError::Unavailable(cause)) => return Err(Refusal::unavailable(cause)),
    };
    if !bearer.scope().contains(scopes::IDENTITY) {
        return Ok(Err(ErrorCode::InsufficientScope.as_str()));
    }
    let row = core.identities.find(bearer.grant_id(), &userinfo.uri).await?;
    Ok(match row.filter(IdentityRow::may_be_told) {
        Some(row) => Ok((bearer, row)),
        None => Err("signed_out"),
    })
}

fn answer(bearer: &VerifiedBearer, row: &IdentityRow) -> Response {
    let may = bearer.scope().intersection(&row.scopes);
    let answer = Answer {
        sub: &row.principal_id,
        name: may.contains(scopes::PROFILE).then_some(row.name.as_str()),
        email: may.contains(scopes::EMAIL).then_some(row.email.as_str()),
    };
    (no_store(), Json(answer)).into_response()
}

fn unacceptable() -> Refusal {
    let text = "the access token is unknown, expired, revoked, or for another resource";
    Refusal::new(ErrorCode::InvalidToken, text).challenge_bearer(true)
}
