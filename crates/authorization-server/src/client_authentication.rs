//! Client authentication (OAuth 2.1 §2.4): who calls the token and revocation endpoints.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::jose::{AssertionError, ClientAssertion};
use portcullis_oauth::{
    BasicCredentials, ClientAuthMethod, ClientId, ErrorCode, Form, Secret, Timestamp, TokenScheme,
};
use portcullis_web::Peer;

use crate::Core;
use crate::attempt;
use crate::client_assertion;
use crate::document::{self, Unidentified};
use crate::refusal::Refusal;
use crate::store::{Client, ClientOrigin};

/// A client that proved who it is, or a public one that named itself.
#[derive(Debug)]
pub(crate) struct AuthenticatedClient(Client);

impl AuthenticatedClient {
    pub(crate) fn client(&self) -> &Client {
        &self.0
    }
}

/// What a request presented.
struct Presented {
    client_id: ClientId,
    secret: Option<(Secret, ClientAuthMethod)>,
}

impl Presented {
    /// How the client tried to prove who it is.
    fn method(&self) -> ClientAuthMethod {
        self.secret.as_ref().map_or(ClientAuthMethod::None, |(_, method)| *method)
    }
}

/// Authenticates the caller by the one mechanism that it used (OA21-2.4-1), which must be the registered one (A21).
///
/// Parameters of the URI are never read (OA21-2.4.1-2): `form` is the body.
pub(crate) async fn authenticate(
    core: &Core,
    (peer, headers): (Peer, &HeaderMap),
    form: &Form,
    now: Timestamp,
) -> Result<AuthenticatedClient, Refusal> {
    if let Some(assertion) = client_assertion::presented(headers, form)? {
        return by_assertion(core, peer, &assertion, now).await;
    }
    let presented = presented(headers, form)?;
    let basic = headers.contains_key(AUTHORIZATION);
    let found = find(core, &presented.client_id, now).await?;
    let proven = found.as_ref().is_some_and(|client| is_proven(client, presented.secret.as_ref()));
    if !proven {
        attempt::unproven_client(found.as_ref(), presented.client_id.as_str(), presented.method());
    }
    if let Some(client) = found.filter(|_| proven) {
        // The right secret always passes: with 256 bits in it, a guesser's failures need not be the owner's trouble.
        attempt::authenticated_client(&client);
        return Ok(AuthenticatedClient(client));
    }
    let event = Event::new(now, Action::TokenRequest, Outcome::Refused).because("client_authentication");
    if let Err(seconds) = core.secret_guard.admit(&format!("{peer} {}", presented.client_id), now) {
        return Err(portcullis_oauth::Error::too_many_requests(seconds).into());
    }
    core.note(event.through(&presented.client_id)).await;
    // An unknown or removed client hears the same, so that it registers again (DC-18).
    let refusal = Refusal::new(ErrorCode::InvalidClient, "unknown client, or its authentication failed");
    Err(if basic { refusal.challenge_basic() } else { refusal })
}

/// As [`authenticate`], for a client that signed an assertion.
async fn by_assertion(
    core: &Core,
    peer: Peer,
    assertion: &ClientAssertion<'_>,
    now: Timestamp,
) -> Result<AuthenticatedClient, Refusal> {
    let id = assertion.client_id();
    let found = find(core, id, now).await?;
    let error = match found {
        Some(client) if client.disabled_at.is_none() => {
            match client_assertion::prove(core, (&client, peer), assertion, now).await? {
                Ok(()) => {
                    attempt::authenticated_client(&client);
                    return Ok(AuthenticatedClient(client));
                }
                Err(error) => {
                    attempt::unproven_assertion(Some(&client), id.as_str(), error);
                    error
                }
            }
        }
        nobody => {
            attempt::unproven_assertion(nobody.as_ref(), id.as_str(), AssertionError::Signature);
            AssertionError::Signature
        }
    };
    if let Err(seconds) = core.secret_guard.admit(&format!("{peer} {id}"), now) {
        return Err(portcullis_oauth::Error::too_many_requests(seconds).into());
    }
    let event = Event::new(now, Action::TokenRequest, Outcome::Refused).because(error.as_str());
    core.note(event.through(id)).await;
    Err(Refusal::new(ErrorCode::InvalidClient, error.to_string()))
}

/// The client of this name, described by its document as it is now if it has one (CIMD-4.4-1).
async fn find(core: &Core, id: &ClientId, now: Timestamp) -> Result<Option<Client>, Refusal> {
    let Some(client) = core.clients.find(id).await? else { return Ok(None) };
    match document::at_token(core, client, now).await {
        Ok(client) => Ok(Some(client)),
        Err(Unidentified::Store(error)) => Err(error.into()),
        // What an unknown client hears (DC-18); the cause is in the paper trail.
        Err(unidentified) => {
            unidentified.note(core, id.as_str()).await;
            attempt::unidentified_client(&unidentified, id.as_str());
            Ok(None)
        }
    }
}

fn presented(headers: &HeaderMap, form: &Form) -> Result<Presented, Refusal> {
    form.once_each(&["client_id", "client_secret"])?;
    let (body_id, body_secret) = (form.one("client_id")?, form.one("client_secret")?);
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "use one client authentication method that this server offers",
        ));
    }
    let Some(header) = headers.get(AUTHORIZATION) else {
        let id = body_id.ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "client_id is missing"))?;
        let secret =
            body_secret.map(|secret| (Secret::presented(secret), ClientAuthMethod::ClientSecretPost));
        return Ok(Presented { client_id: ClientId::from(id.to_owned()), secret });
    };
    let basic = header.to_str().ok().and_then(BasicCredentials::from_header);
    let credentials = match basic {
        Some(Ok(credentials)) => credentials,
        Some(Err(error)) => {
            return Err(Refusal::new(ErrorCode::InvalidClient, error.to_string()).challenge_basic());
        }
        None => {
            let text = "the Authorization header of this endpoint takes the Basic scheme only";
            return Err(Refusal::new(ErrorCode::InvalidClient, text).challenge_basic());
        }
    };
    if body_secret.is_some() {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "the client authenticated twice: in the header and in the body",
        ));
    }
    if body_id.is_some_and(|id| id != credentials.client_id.as_str()) {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "client_id in the body differs from the one in the header",
        ));
    }
    let secret = Some((credentials.client_secret, ClientAuthMethod::ClientSecretBasic));
    Ok(Presented { client_id: credentials.client_id, secret })
}

/// The one Bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    access_token(headers).and_then(|(token, scheme)| (scheme == TokenScheme::Bearer).then_some(token))
}

/// The token in the one `Authorization` header, with the scheme by which it came.
pub(crate) fn access_token(headers: &HeaderMap) -> Option<(Secret, TokenScheme)> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let (scheme, token) = (TokenScheme::parse(scheme)?, token.trim());
    (!token.is_empty()).then(|| (Secret::presented(token), scheme))
}

/// OA21-2.2-1: a name alone is never enough for a confidential client, and a public one has no secret to present.
fn is_proven(client: &Client, secret: Option<&(Secret, ClientAuthMethod)>) -> bool {
    if client.disabled_at.is_some() {
        return false;
    }
    match (&client.secret_hash, secret) {
        (None, None) => !client.is_confidential(),
        (Some(hash), Some((secret, method))) => {
            let registered = client.metadata.token_endpoint_auth_method;
            // DC-11: clients that registered themselves often do not read which method they were given.
            let fits = *method == registered || client.origin == ClientOrigin::Dynamic;
            hash.matches(secret) && fits
        }
        // Basic with an empty password is how some libraries send a public client's name.
        (None, Some((secret, _))) => !client.is_confidential() && secret.expose().is_empty(),
        (Some(_), None) => false,
    }
}
