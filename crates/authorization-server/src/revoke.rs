//! Token revocation (RFC 7009): 200 for what is revoked now and for what never was.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind};
use portcullis_oauth::{ClientId, ErrorCode, Secret, Timestamp};
use portcullis_web::{Peer, form};

use crate::Core;
use crate::client_authentication::authenticate;
use crate::refusal::{RawBody, Refusal, no_store};

/// `POST /oauth/revoke`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    let job = {
        let core = core.clone();
        async move { answer(&core, (peer, &headers), &body, now).await }
    };
    core.work.finish(job).await?
}

async fn answer(
    core: &Core,
    caller: (Peer, &HeaderMap),
    body: &[u8],
    now: Timestamp,
) -> Result<Response, Refusal> {
    let form = form(caller.1, body)?;
    form.once_each(&["token", "token_type_hint"])?;
    let client = authenticate(core, caller, &form, now).await?;
    let token =
        form.one("token")?.ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "token is missing"))?;
    let revoked = revoke(core, &client.client().id, &Secret::presented(token), now).await?;
    if let Some(what) = revoked {
        let event = Event::new(now, Action::Revocation, Outcome::Done).through(&client.client().id);
        core.note(event.because(what)).await;
    }
    Ok((StatusCode::OK, no_store()).into_response())
}

/// R7009-2.1-1 to 2.1-3: only the client's own; a refresh token takes its grant along; the hint is not needed.
async fn revoke(
    core: &Core,
    client: &ClientId,
    token: &Secret,
    now: Timestamp,
) -> Result<Option<&'static str>, Refusal> {
    let hash = token.hash();
    if let Some(row) = core.refresh_tokens.find(&hash).await?.filter(|row| row.client_id == *client) {
        core.revoke_grant(&row.grant_id, "client_revoked", now).await?;
        return Ok(Some("refresh_token_revoked"));
    }
    if let Some(row) = core.access_tokens.find(&hash).await?.filter(|row| row.client_id == *client) {
        for revoked in core.access_tokens.revoke(&hash, now).await? {
            core.changes.publish(&Change::new(ChangeKind::Token, revoked.as_str()));
        }
        tracing::debug!(grant = %row.grant_id, "an access token was revoked by its client");
        return Ok(Some("access_token_revoked"));
    }
    Ok(None)
}
