//! The device authorization endpoint (RFC 8628 §3.1, §3.2): a device without a browser asks, and gets a code to show.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{ClientId, Error, ErrorCode, Form, GrantType, Secret, Timestamp, UserCode};
use portcullis_web::{Peer, form};
use serde::Serialize;

use crate::Core;
use crate::attempt::{self, AttemptStage};
use crate::authorization_request;
use crate::client_authentication::authenticate;
use crate::refusal::{RawBody, Refusal, no_store};
use crate::settings::{DEVICE_INTERVAL, DEVICE_LIFE};
use crate::store::{Client, NewDevice};

/// RFC 8628 §3.2
#[derive(Serialize)]
struct Answer<'a> {
    device_code: &'a str,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: i64,
    interval: i64,
}

/// `POST /oauth/device_authorization`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    attempt::json(&core, AttemptStage::Device, peer, Box::pin(respond(&core, (peer, &headers), &body))).await
}

async fn respond(core: &Core, (peer, headers): (Peer, &HeaderMap), body: &[u8]) -> Result<Response, Refusal> {
    let now = core.clock.now();
    let form = form(headers, body)?;
    form.once_each(&["scope"])?;
    let client = authenticate(core, (peer, headers), &form, now).await?;
    let client = client.client();
    // Each request is a row that waits: nobody may pile them up.
    core.device_authorizations.admit(&client.id, peer, now)?;
    match begin(core, (client, peer), &form, now).await {
        Ok(codes) => {
            let event = Event::new(now, Action::DeviceAuthorization, Outcome::Started).through(&client.id);
            core.trail.record(event).await?;
            Ok(answer(core, &codes))
        }
        Err(refusal) => {
            note_refusal(core, &client.id, refusal.code(), now).await;
            Err(refusal)
        }
    }
}

/// The same judgement as at the authorization endpoint: grant, resource, scope (A28).
async fn begin(
    core: &Core,
    (client, peer): (&Client, Peer),
    form: &Form,
    now: Timestamp,
) -> Result<(Secret, UserCode), Refusal> {
    if !client.may_use(GrantType::DeviceCode) {
        let text = "the client is not registered for the device grant";
        return Err(Refusal::new(ErrorCode::UnauthorizedClient, text));
    }
    let resources = authorization_request::resources(core, client, form).await??;
    let scope = form.one("scope")?.unwrap_or_default();
    let targets = authorization_request::targets(core, client, &resources, scope)?;
    let (peer, attempt) = (peer.to_string(), attempt::current());
    let new = NewDevice { client: &client.id, targets: &targets, peer: &peer, attempt: attempt.as_ref() };
    let wait = u64::try_from(DEVICE_LIFE.0).unwrap_or(60);
    let kept = core.devices.create(&new, now).await?;
    kept.ok_or_else(|| Error::too_many_requests(wait / 3).into())
}

fn answer(core: &Core, (device_code, user_code): &(Secret, UserCode)) -> Response {
    let verification_uri = core.public_url().join("/device");
    let answer = Answer {
        device_code: device_code.expose(),
        user_code: user_code.shown(),
        verification_uri_complete: format!("{verification_uri}?user_code={}", user_code.shown()),
        verification_uri,
        expires_in: DEVICE_LIFE.0,
        interval: DEVICE_INTERVAL.0,
    };
    (no_store(), Json(answer)).into_response()
}

async fn note_refusal(core: &Core, client: &ClientId, reason: &'static str, now: Timestamp) {
    let event = Event::new(now, Action::DeviceAuthorization, Outcome::Refused);
    core.note(event.because(reason).through(client)).await;
}
