//! The token endpoint (OAuth 2.1 §3.2): dispatch, and the answer that every grant gives.

mod authorization_code;
mod client_credentials;
mod device_code;
mod jwt_bearer;
mod minting;
mod press;
mod refresh_token;
mod token_exchange;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::dpop::FittingProof;
use portcullis_oauth::{
    Error, ErrorCode, Form, GrantType, JwkThumbprint, PrincipalId, SINGLE_TOKEN_PARAMETERS, ScopeSet, Secret,
    Timestamp, TokenScheme, TokenType,
};
use portcullis_web::{Peer, form};
use serde::Serialize;

use crate::Core;
use crate::attempt::{self, AttemptStage, Reason, Step};
use crate::client_authentication::{AuthenticatedClient, authenticate};
use crate::dpop;
use crate::openid::Identity;
use crate::refusal::{RawBody, Refusal, no_store};

/// What a grant gave.
pub(crate) struct Issued {
    principal: PrincipalId,
    access_token: Secret,
    refresh_token: Option<Secret>,
    /// Who signed in, where the client may learn it.
    id_token: Option<Secret>,
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
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// One token request after its client is known.
pub(crate) struct TokenRequest<'a> {
    client: &'a AuthenticatedClient,
    form: &'a Form,
    /// A proof of possession that fits this request (RFC 9449 §5). Used up by the press, once all else was judged.
    proof: Option<&'a FittingProof>,
    now: Timestamp,
}

impl TokenRequest<'_> {
    /// The key that signed the proof.
    fn key(&self) -> Option<&JwkThumbprint> {
        self.proof.map(FittingProof::key)
    }

    /// Whether the key is proven that the presented code or token is bound to, if it is bound to one.
    fn proves(&self, bound: Option<&JwkThumbprint>) -> bool {
        let proven = bound.is_none() || self.key() == bound;
        if !proven {
            let got = if self.proof.is_some() { "a proof of another key" } else { "no proof" };
            attempt::refused(
                (Step::Proof, Reason::KeyNotProven),
                "a proof of the key that it is bound to",
                got,
            );
        }
        proven
    }
}

/// `POST /oauth/token`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    (uri, headers): (Uri, HeaderMap),
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    // What is begun is finished in a task of the server's own: a client that hangs up loses no token half-way.
    let job = {
        let core = core.clone();
        async move {
            let answer = answer(&core, (peer, &headers), (uri.path(), &body), now);
            attempt::json(&core, AttemptStage::Token, peer, Box::pin(answer)).await
        }
    };
    core.work.finish(job).await?
}

async fn answer(
    core: &Core,
    caller: (Peer, &HeaderMap),
    (path, body): (&str, &[u8]),
    now: Timestamp,
) -> Result<Response, Refusal> {
    // Nothing of the URI's query is read (OA21-2.4.1-2).
    let form = form(caller.1, body)?;
    form.once_each(&SINGLE_TOKEN_PARAMETERS)?;
    let client = authenticate(core, caller, &form, now).await?;
    let result = issue(core, (&client, &form), (caller.1, path), now).await;
    let base = |outcome| Event::new(now, Action::TokenRequest, outcome).through(&client.client().id);
    let grant_type = form.one("grant_type").ok().flatten().and_then(GrantType::parse).map(GrantType::as_str);
    match result {
        Ok((issued, proof)) => {
            let detail = serde_json::json!({"grant_type": grant_type, "scope": issued.scope});
            // The tokens are committed; without its event the answer must not leave, and the client asks again.
            core.trail.record(base(Outcome::Done).by(&issued.principal).with(detail)).await?;
            let scheme = TokenScheme::of(proof.as_ref().map(FittingProof::key));
            Ok(dpop::renewing(issued.response(scheme, now), proof.as_ref()))
        }
        // A device that waits asks every few seconds; only what ends its waiting is worth a line.
        Err(refusal) if refusal.is_for_waiting() => Err(refusal),
        Err(refusal) => {
            // What would have succeeded is never kept from a client, however often it failed before.
            if refusal.is_of_the_clients_making() {
                let asking = format!("{} {}", caller.0, client.client().id);
                core.failed_token_requests.admit(&asking, now).map_err(Error::too_many_requests)?;
            }
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

/// What the grant gives, and the proof that it is bound by.
async fn issue(
    core: &Core,
    (client, form): (&AuthenticatedClient, &Form),
    arrived: (&HeaderMap, &str),
    now: Timestamp,
) -> Result<(Issued, Option<FittingProof>), Refusal> {
    let proof = dpop::due(core, client.client(), arrived, now)?;
    let request = TokenRequest { client, form, proof: proof.as_ref(), now };
    let issued = dispatch(core, &request).await?;
    Ok((issued, proof))
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
        GrantType::JwtBearer => jwt_bearer::issue(core, request).await,
    }
}

impl Issued {
    /// An access token alone.
    fn access(
        (principal, access_token): (PrincipalId, Secret),
        scope: ScopeSet,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            principal,
            access_token,
            refresh_token: None,
            id_token: None,
            scope,
            expires_at,
            exchanged: None,
        }
    }

    /// The same with an ID token, if there is somebody to tell of. What is granted is then said in full, though the access
    /// token may be for another resource (OA21-1.4.1-2).
    fn telling(
        mut self,
        core: &Core,
        identity: Option<&Identity>,
        (nonce, now): (Option<&str>, Timestamp),
    ) -> Result<Self, Refusal> {
        if let Some(identity) = identity {
            self.id_token = Some(identity.id_token(core, (&self.access_token, nonce), now)?);
            self.scope = self.scope.union(identity.scopes());
        }
        Ok(self)
    }

    fn response(&self, scheme: TokenScheme, now: Timestamp) -> Response {
        let answer = Answer {
            access_token: self.access_token.expose(),
            token_type: scheme.as_str(),
            expires_in: now.seconds_until(self.expires_at),
            scope: &self.scope,
            refresh_token: self.refresh_token.as_ref().map(Secret::expose),
            id_token: self.id_token.as_ref().map(Secret::expose),
            issued_token_type: self.exchanged.map(TokenType::as_str),
        };
        (no_store(), Json(answer)).into_response()
    }
}
