//! The pushed authorization request endpoint (RFC 9126): a client says what it wants before the browser is sent, and gets a
//! handle for it. What was pushed is judged here, and again when the browser brings the handle.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_limits::Verdict;
use portcullis_oauth::dpop::FittingProof;
use portcullis_oauth::{Error, ErrorCode, Form, JwkThumbprint, REQUEST_URI_PREFIX, Secret, Timestamp};
use portcullis_web::{Peer, form};
use serde::Serialize;

use crate::Core;
use crate::attempt::{self, AttemptStage};
use crate::authorization_request::{judge, prove_destination};
use crate::client_authentication::authenticate;
use crate::dpop;
use crate::refusal::{RawBody, Refusal, no_store};
use crate::settings::PUSHED_REQUEST_LIFE;
use crate::store::Client;

/// What authenticates the client is used here and not kept.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];
/// Where requests are pushed.
pub(crate) const PATH: &str = "/oauth/par";
/// What a client may have us remember for it; a browser's address bar would not hold more.
const MAXIMUM_LENGTH: usize = 8_192;

/// RFC 9126 §2.2
#[derive(Serialize)]
struct Answer {
    request_uri: String,
    expires_in: i64,
}

/// `POST /oauth/par`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    attempt::json(&core, AttemptStage::Push, peer, Box::pin(answer(&core, (peer, &headers), &body))).await
}

async fn answer(core: &Core, (peer, headers): (Peer, &HeaderMap), body: &[u8]) -> Result<Response, Refusal> {
    let now = core.clock.now();
    let form = form(headers, body)?;
    // R9126-2.1-1: as at the token endpoint.
    let client = authenticate(core, (peer, headers), &form, now).await?;
    let client = client.client();
    let event = |outcome| Event::new(now, Action::PushedAuthorization, outcome).through(&client.id);
    let pushed = match dpop::brought(core, client, (headers, PATH), now) {
        Ok(proof) => {
            push(core, (client, peer), (&form, proof.as_ref()), now).await.map(|handle| (handle, proof))
        }
        Err(refusal) => Err(refusal),
    };
    match pushed {
        Ok((handle, proof)) => {
            core.note(event(Outcome::Done)).await;
            let request_uri = format!("{REQUEST_URI_PREFIX}{}", handle.expose());
            let answer = Answer { request_uri, expires_in: PUSHED_REQUEST_LIFE.0 };
            let answer = (StatusCode::CREATED, no_store(), Json(answer)).into_response();
            Ok(dpop::renewing(answer, proof.as_ref()))
        }
        Err(refusal) => {
            core.note(event(Outcome::Refused).because(refusal.code())).await;
            Err(refusal)
        }
    }
}

async fn push(
    core: &Core,
    (client, peer): (&Client, Peer),
    (form, proof): (&Form, Option<&FittingProof>),
    now: Timestamp,
) -> Result<Secret, Refusal> {
    // R9126-2.3-1. Nobody pays for a neighbour, and one whose name everybody may use not for strangers either.
    let source =
        if client.is_confidential() { client.id.to_string() } else { format!("{peer} {}", client.id) };
    if let Verdict::Refused { retry_after } = core.authorizations.check(&source, now) {
        return Err(Error::too_many_requests(u64::try_from(retry_after.0).unwrap_or(1)).into());
    }
    // R9126-7.2-1: what was not registered is not accepted here either, whoever asks.
    prove_destination(client, form)
        .map_err(|error| Refusal::new(ErrorCode::InvalidRequest, error.to_string()))?;
    let named = judge(core, client, form).await??.dpop_jkt;
    let mut parameters = form.encode_without(&CREDENTIALS);
    if parameters.len() > MAXIMUM_LENGTH {
        return Err(Refusal::new(ErrorCode::InvalidRequest, "the request is longer than 8192 bytes"));
    }
    if let Some(proof) = proof {
        let key = proven(core, proof, named.as_ref(), now).await?;
        if named.is_none() {
            parameters.push_str("&dpop_jkt=");
            parameters.push_str(key.as_str());
        }
    }
    let attempt = attempt::current();
    Ok(core.pushed_requests.create(&client.id, (&parameters, attempt.as_ref()), now).await?)
}

/// RFC 9449 §10.1: a proof here is as if its key were named in `dpop_jkt`; where both are, they agree (R9449-10-1).
async fn proven<'p>(
    core: &Core,
    proof: &'p FittingProof,
    named: Option<&JwkThumbprint>,
    now: Timestamp,
) -> Result<&'p JwkThumbprint, Refusal> {
    if named.is_some_and(|named| named != proof.key()) {
        let text = "dpop_jkt does not name the key of the proof in the DPoP header";
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    Ok(proof.use_up(&*core.dpop, now).await?)
}
