//! Token introspection (RFC 7662): a resource server asks what a token that was presented to it is. Each learns of the
//! tokens for itself and of no others.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{ErrorCode, Form, Introspection, Secret, Timestamp, VerifyError};
use portcullis_web::{Peer, form};

use crate::Core;
use crate::client_authentication::authenticate;
use crate::refusal::{RawBody, Refusal, no_store};
use crate::store::RegisteredResource;
use crate::verifier::look_up;

/// `POST /oauth/introspect`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    // A form alone, never the URI (R7662-2.1-2).
    let form = form(&headers, &body)?;
    form.once_each(&["token", "token_type_hint"])?;
    let resource = asking(&core, (peer, &headers), &form, now).await?;
    let token =
        form.one("token")?.ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "token is missing"))?;
    let answer = introspect(&core, (&resource, peer), &Secret::presented(token), now).await?;
    Ok((no_store(), Json(answer)).into_response())
}

/// R7662-2.1-1: anonymous callers get 401, clients that are no resource server 403.
async fn asking(
    core: &Core,
    caller: (Peer, &HeaderMap),
    form: &Form,
    now: Timestamp,
) -> Result<RegisteredResource, Refusal> {
    if !caller.1.contains_key(AUTHORIZATION) && form.one("client_id")?.is_none() {
        let text = "only a resource server may ask, and it has to authenticate";
        return Err(Refusal::new(ErrorCode::InvalidClient, text).challenge_basic());
    }
    let client = authenticate(core, caller, form, now).await?;
    let id = &client.client().id;
    if let Some(resource) = core.resources.of_client(id).await? {
        return Ok(resource);
    }
    let event = Event::new(now, Action::Introspection, Outcome::Refused).through(id);
    core.note(event.because("not_a_resource_server")).await;
    let refusal =
        Refusal::new(ErrorCode::AccessDenied, "this client is no resource server of this deployment");
    Err(refusal.forbidden())
}

/// R7662-2.2-1: whatever is not live for the caller is told of in the same words (R7662-2.2-3 in [`look_up`]).
async fn introspect(
    core: &Core,
    (resource, peer): (&RegisteredResource, Peer),
    token: &Secret,
    now: Timestamp,
) -> Result<Introspection, Refusal> {
    let told = async {
        let found = look_up(core, token, &resource.what.uri, now).await?;
        // The proof of one that is bound to a key is seen there alone: that the server asks is all that we hear of its use.
        found.note_use(core, now).await?;
        Ok(Introspection::of(&found.bearer, found.issued_at, core.public_url()))
    };
    let reason = match told.await {
        Ok(told) => return Ok(told),
        Err(VerifyError::Invalid(reason)) => reason,
        Err(VerifyError::Unavailable(cause)) => return Err(Refusal::unavailable(cause)),
    };
    // Misses alone are counted: strangers who send noise to a resource server do not lock its users out.
    core.introspection_misses.admit(&resource.client_id, peer, now)?;
    let event = Event::new(now, Action::Introspection, Outcome::Refused).through(&resource.client_id);
    core.note(event.because(reason)).await;
    Ok(Introspection::inactive())
}
