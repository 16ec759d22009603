//! The token endpoint (OAuth 2.1 §3.2): dispatch, and the answer that every grant gives.

mod authorization_code;
mod client_credentials;
mod device_code;
mod minting;
mod press;
mod refresh_token;
mod token_exchange;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{
    ErrorCode, Form, GrantType, PrincipalId, SINGLE_TOKEN_PARAMETERS, ScopeSet, Secret, Timestamp, TokenType,
};
use portcullis_web::{Peer, form};
use serde::Serialize;

use crate::Core;
use crate::attempt::{self, AttemptStage};
use crate::client_authentication::{AuthenticatedClient, authenticate};
use crate::refusal::{RawBody, Refusal, no_store};

/// What a grant gave.
pub(crate) struct Issued {
    principal: PrincipalId,
    access_token: Secret,
    refresh_token: Option<Secret>,
    scope: ScopeSet,
    expires_at: Timestamp,
    /// Said by an exchange alone (R8693-2.2-1).
    exchanged: Option<TokenType>,
}

/// OAuth 2.1 §3.2.3; unset members are omitted, `scope` is always said (OA21-1.4.1-2), `expires_in` too.
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    scope: &'a ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// One token request after its client is known.
pub(crate) struct TokenRequest<'a> {
    client: &'a AuthenticatedClient,
    form: &'a Form,
    now: Timestamp,
}

/// `POST /oauth/token`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    // What is begun is finished in a task of the server's own: a client that hangs up loses no token half-way.
    let job = {
        let core = core.clone();
        async move {
            let answer = answer(&core, (peer, &headers), &body, now);
            attempt::json(&core, AttemptStage::Token, peer, Box::pin(answer)).await
        }
    };
    core.work.finish(job).await?
}

async fn answer(
    core: &Core,
    caller: (Peer, &HeaderMap),
    body: &[u8],
    now: Timestamp,
) -> Result<Response, Refusal> {
    // Nothing of the URI's query is read (OA21-2.4.1-2).
    let form = form(caller.1, body)?;
    form.once_each(&SINGLE_TOKEN_PARAMETERS)?;
    let client = authenticate(core, caller, &form, now).await?;
    let request = TokenRequest { client: &client, form: &form, now };
    let result = dispatch(core, &request).await;
    let base = |outcome| Event::new(now, Action::TokenRequest, outcome).through(&client.client().id);
    let grant_type = form.one("grant_type").ok().flatten().and_then(GrantType::parse).map(GrantType::as_str);
    match result {
        Ok(issued) => {
            let detail = serde_json::json!({"grant_type": grant_type, "scope": issued.scope});
            // The tokens are committed; without its event the answer must not leave, and the client asks again.
            core.trail.record(base(Outcome::Done).by(&issued.principal).with(detail)).await?;
            Ok(issued.response(now))
        }
        // A device that waits asks every few seconds; only what ends its waiting is worth a line.
        Err(refusal) if refusal.is_for_waiting() => Err(refusal),
        Err(refusal) => {
            core.note(
                base(Outcome::Refused)
                    .because(refusal.code())
                    .with(serde_json::json!({"grant_type": grant_type})),
            )
            .await;
            Err(refusal)
        }
    }
}

async fn dispatch(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let name = request.form.one("grant_type")?;
    let name = name.ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "grant_type is missing"))?;
    let Some(grant_type) = GrantType::parse(name) else {
        return Err(Refusal::new(
            ErrorCode::UnsupportedGrantType,
            "this server does not offer this grant_type",
        ));
    };
    if !request.client.client().may_use(grant_type) {
        return Err(Refusal::new(
            ErrorCode::UnauthorizedClient,
            "the client is not registered for this grant_type",
        ));
    }
    match grant_type {
        GrantType::AuthorizationCode => authorization_code::redeem(core, request).await,
        GrantType::RefreshToken => refresh_token::refresh(core, request).await,
        GrantType::ClientCredentials => client_credentials::issue(core, request).await,
        GrantType::DeviceCode => device_code::redeem(core, request).await,
        GrantType::TokenExchange => token_exchange::exchange(core, request).await,
    }
}

impl Issued {
    /// An access token alone.
    fn access(
        (principal, access_token): (PrincipalId, Secret),
        scope: ScopeSet,
        expires_at: Timestamp,
    ) -> Self {
        Self { principal, access_token, refresh_token: None, scope, expires_at, exchanged: None }
    }

    fn response(&self, now: Timestamp) -> Response {
        let answer = Answer {
            access_token: self.access_token.expose(),
            token_type: "Bearer",
            expires_in: now.seconds_until(self.expires_at),
            scope: &self.scope,
            refresh_token: self.refresh_token.as_ref().map(Secret::expose),
            issued_token_type: self.exchanged.map(TokenType::as_str),
        };
        (no_store(), Json(answer)).into_response()
    }
}
