//! The pipeline: one list of named steps that every message passes, in this order. Each refusal is one audit event with
//! a reason code, and an answer in the words of its protocol.
//!
//! 1. `Host` and `Origin` are ours ([`origin`])
//! 2. a token is presented at all ([`token`]): strangers' bodies are not read
//! 3. the body is small, strict JSON and one message ([`body`])
//! 4. headers and body say the same, in a revision that is spoken here ([`headers::agree`])
//! 5. the token is live and for exactly this resource ([`token`])
//! 6. the session is the bearer's, where there are sessions ([`session`])
//! 7. the user's bucket has room ([`limit`])
//! 8. the token's scopes suffice, else step-up ([`scope`])
//! 9. for what goes to one upstream: connection, its status, the name ([`target`]), arguments ([`arguments`]), the policy,
//!    the tool's bucket, a person's approval where the policy wants one ([`approval`]), dispatch, and what may come back
//!    ([`call`]); of our own tools nothing is dispatched ([`manage`]), and of a resource that is watched nothing but that
//!    ([`subscribe`])
//!
//! Answers leave as JSON or as a stream ([`exchange`]); streams of changes are [`listen`]'s.

mod answer;
mod approval;
mod arguments;
mod body;
mod call;
mod case;
mod exchange;
mod limit;
mod list;
pub(crate) mod listen;
mod manage;
mod note;
mod operate;
mod receive;
mod scope;
mod session;
mod subscribe;
mod target;
mod token;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_oauth::{Resource, Secret, VerifiedBearer};

use crate::gateway::Inner;
use crate::possession::renewing;
use crate::protocol::{Era, headers};
use crate::refusal::Refusal;
use crate::session::Session;
use case::Case;
use listen::Wanted;
use receive::Received;

/// What every step after the token needs. Cheap enough to clone for work that goes on by itself.
#[derive(Clone)]
pub(crate) struct Caller {
    gateway: Arc<Inner>,
    resource: Arc<Resource>,
    bearer: VerifiedBearer,
    era: Era,
    session: Option<Session>,
    /// What the bearer presented, for requests that live on and are judged again.
    token: Secret,
}

/// Step 1 for every method.
pub(crate) async fn origin(gateway: &Arc<Inner>, headers: &HeaderMap, uri: &Uri) -> Result<(), Response> {
    let refused = if !gateway.guard.host_is_ours(headers, uri) {
        Refusal::transport("host", StatusCode::FORBIDDEN, "this server is not known under that host name")
    } else if !gateway.guard.origin_may_come(headers) {
        Refusal::transport("origin", StatusCode::FORBIDDEN, "this origin may not call")
    } else {
        return Ok(());
    };
    let case = Case::open(gateway, headers);
    Err(case.refuse(gateway, gateway.registry.aggregate(), &refused).await)
}

/// Answers a message.
pub(crate) async fn post(gateway: &Arc<Inner>, resource: &Resource, request: Request) -> Response {
    let mut case = Case::open(gateway, request.headers());
    let received = receive::message(gateway, resource, request, &mut case).await;
    let nonce = case.next_nonce.clone();
    let answer = match received {
        Ok(Received::Request(asked)) => operate::answer(*asked, case).await,
        // HTTP25-6
        Ok(Received::Noted) => StatusCode::ACCEPTED.into_response(),
        Err(refused) => case.refuse(gateway, resource, &refused).await,
    };
    renewing(answer, nonce)
}

/// `GET`: the stream of changes of a session. Without one there is none to open, but only a bearer learns so (HTTP25-7,
/// DC-21).
pub(crate) async fn get(gateway: &Arc<Inner>, resource: &Resource, parts: Parts) -> Response {
    bodyless(gateway, resource, &parts, false).await
}

/// `DELETE`: ends the session that the request names (HTTP25-9); without one there is nothing to end.
pub(crate) async fn delete(gateway: &Arc<Inner>, resource: &Resource, parts: Parts) -> Response {
    bodyless(gateway, resource, &parts, true).await
}

async fn bodyless(gateway: &Arc<Inner>, resource: &Resource, parts: &Parts, ends: bool) -> Response {
    let mut case = Case::open(gateway, &parts.headers);
    let answer = match without_body(gateway, resource, parts, (ends, &mut case)).await {
        Ok(response) => response,
        Err(refused) => case.refuse(gateway, resource, &refused).await,
    };
    renewing(answer, case.next_nonce)
}

async fn without_body(
    gateway: &Arc<Inner>,
    resource: &Resource,
    parts: &Parts,
    (ends, case): (bool, &mut Case),
) -> Result<Response, Refusal> {
    let headers = &parts.headers;
    let presented = token::presented(parts)?;
    let bearer = token::verify(gateway, resource, &presented, case).await?;
    let (gateway, resource) = (Arc::clone(gateway), Arc::new(resource.clone()));
    let token = presented.token().clone();
    let mut caller = Caller { gateway, resource, bearer, era: Era::Session, session: None, token };
    let named = headers::session(headers)?.is_some() && !headers::bodyless_is_stateless(headers);
    if !named {
        let allowed = [(header::ALLOW, HeaderValue::from_static("POST, DELETE"))];
        return Ok((StatusCode::METHOD_NOT_ALLOWED, allowed).into_response());
    }
    Refusal::unless_allowed(caller.gateway.limits.list(&caller.bearer, case.now))?;
    let session = session::find(&caller, headers, case.now).await?;
    case.session(&session);
    if ends {
        let ended = caller.gateway.sessions.end(&session, case.now).await;
        ended.map_err(|error| Refusal::unavailable(&error))?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if !body::accepts_stream(headers) {
        let why = "the stream is text/event-stream: accept it";
        return Err(Refusal::transport("accept", StatusCode::NOT_ACCEPTABLE, why));
    }
    caller.session = Some(session);
    listen::open(caller, Wanted::lists(), (case, None)).await
}
