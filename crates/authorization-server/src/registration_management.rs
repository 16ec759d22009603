//! The client configuration endpoint (RFC 7592): a client that registered itself reads, replaces or deletes its
//! registration, with the token that it got for nothing else.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{ClientId, Error, ErrorCode, Secret, Timestamp};
use portcullis_web::Peer;
use serde_json::{Map, Value};

use crate::Core;
use crate::client_authentication::bearer;
use crate::client_metadata::bad;
use crate::refusal::{RawBody, Refusal, no_store};
use crate::register::{self, judge, members};
use crate::store::{Client, Replaced, change_of};

/// What only the server says of a registration (R7592-2.2-2).
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_id_issued_at",
    "client_secret_expires_at",
];

/// A client that proved that this registration is its own.
struct Registrant {
    client: Client,
    token: Secret,
}

/// `GET /oauth/register/{client_id}` (RFC 7592 §2.1)
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    peer: Peer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let registrant = prove(&core, (peer, &headers), id, core.clock.now()).await?;
    let Registrant { client, token } = &registrant;
    Ok(register::answer(&core, StatusCode::OK, (client, None), token))
}

/// `PUT /oauth/register/{client_id}` (RFC 7592 §2.2)
pub(crate) async fn replace(
    State(core): State<Arc<Core>>,
    peer: Peer,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    let registrant = prove(&core, (peer, &headers), id, now).await?;
    register::admit(&core, &peer.to_string(), now).await?;
    let job = {
        let core = core.clone();
        async move { put(&core, &registrant, &body, now).await }
    };
    core.work.finish(job).await?
}

/// `DELETE /oauth/register/{client_id}` (RFC 7592 §2.3)
pub(crate) async fn delete(
    State(core): State<Arc<Core>>,
    peer: Peer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    let registrant = prove(&core, (peer, &headers), id, now).await?;
    let job = {
        let core = core.clone();
        async move {
            let id = &registrant.client.id;
            core.registrations.delete(id, now).await?;
            core.changes.publish(&change_of(id));
            Ok((StatusCode::NO_CONTENT, no_store()).into_response())
        }
    };
    core.work.finish(job).await?
}

/// Whose registration this is. An unknown client, a foreign token and none are told apart by nobody (R7592-2-1,
/// R7592-2-2); a deleted client's token is dead because its hash is gone.
async fn prove(
    core: &Core,
    (peer, headers): (Peer, &HeaderMap),
    id: String,
    now: Timestamp,
) -> Result<Registrant, Refusal> {
    let Some(token) = bearer(headers) else {
        let text = "this endpoint takes the client's registration_access_token, as a Bearer token";
        return Err(Refusal::new(ErrorCode::InvalidToken, text).challenge_bearer(false));
    };
    let found = core.clients.find(&ClientId::from(id)).await?;
    let is_its_own =
        |client: &Client| client.registration_hash.as_ref().is_some_and(|hash| hash.matches(&token));
    let Some(client) = found.filter(is_its_own) else {
        // The right token always passes, as at the token endpoint.
        if let Err(seconds) = core.secret_guard.admit(&format!("{peer} registration"), now) {
            return Err(Error::too_many_requests(seconds).into());
        }
        let event = Event::new(now, Action::ClientRegistration, Outcome::Refused);
        core.note(event.because(ErrorCode::InvalidToken.as_str())).await;
        let refusal = Refusal::new(ErrorCode::InvalidToken, "no registration answers to this token");
        return Err(refusal.challenge_bearer(true));
    };
    if client.disabled_at.is_some() {
        let text = "an administrator stopped this client";
        return Err(Refusal::new(ErrorCode::AccessDenied, text).forbidden());
    }
    Ok(Registrant { client, token })
}

async fn put(core: &Core, registrant: &Registrant, body: &[u8], now: Timestamp) -> Result<Response, Refusal> {
    let Registrant { client, token } = registrant;
    let refused = async |refusal: Refusal| {
        let event = Event::new(now, Action::ClientRegistration, Outcome::Refused).through(&client.id);
        core.note(event.because(refusal.code())).await;
        refusal
    };
    let judged = members(body).and_then(|members| {
        is_about(client, &members)?;
        judge(&members)
    });
    let metadata = match judged {
        Ok(metadata) => core.settings.offered(metadata),
        Err(refusal) => return Err(refused(refusal).await),
    };
    let replaced = core.registrations.replace(&client.id, &metadata, now).await?;
    core.changes.publish(&change_of(&client.id));
    let Some(client) = core.clients.find(&client.id).await? else {
        let refusal = Refusal::new(ErrorCode::InvalidToken, "no registration answers to this token");
        return Err(refused(refusal.challenge_bearer(true)).await);
    };
    let secret = match replaced {
        Replaced::Changed(secret) => secret,
        Replaced::Nothing => None,
    };
    Ok(register::answer(core, StatusCode::OK, (&client, secret.as_ref()), token))
}

/// R7592-2.2-2: it names this client, and what it says of the rest is not the server's to say.
fn is_about(client: &Client, members: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some(name) = OURS.into_iter().find(|name| members.contains_key(*name)) {
        return Err(bad(format!("{name} is for the server to say")));
    }
    if members.get("client_id").and_then(Value::as_str) != Some(client.id.as_str()) {
        return Err(bad("client_id is not the one of this registration"));
    }
    let is_right = |secret: &Value| match (secret.as_str(), &client.secret_hash) {
        (Some(secret), Some(hash)) => hash.matches(&Secret::presented(secret)),
        _ => false,
    };
    if members.get("client_secret").is_some_and(|secret| !is_right(secret)) {
        return Err(bad("client_secret is not the one of this client"));
    }
    Ok(())
}
