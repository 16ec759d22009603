//! A client that proves itself by an assertion that it signed (`private_key_jwt`, RFC 7523 §2.2, §3): registered to do so,
//! signed with a key of its own, for this server alone, and for one request.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use portcullis_oauth::jose::{AssertionError, ClientAssertion, ClientKeys, JwkSet};
use portcullis_oauth::{ClientAuthMethod, Error, ErrorCode, Form, Timestamp};
use portcullis_web::Peer;

use crate::Core;
use crate::key_sets::Published;
use crate::refusal::Refusal;
use crate::store::Client;

/// The assertion of a request, if it brings one.
pub(crate) fn presented<'a>(
    headers: &HeaderMap,
    form: &'a Form,
) -> Result<Option<ClientAssertion<'a>>, Refusal> {
    let invalid = |text: &'static str| Refusal::new(ErrorCode::InvalidRequest, text);
    form.once_each(&["client_assertion", "client_assertion_type"])?;
    let assertion = match (form.one("client_assertion")?, form.one("client_assertion_type")?) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            return Err(invalid("client_assertion_type without client_assertion means nothing"));
        }
        (Some(_), None) => return Err(invalid("client_assertion_type is missing")),
        (Some(assertion), Some(ClientAssertion::TYPE)) => assertion,
        (Some(_), Some(_)) => {
            let text = "client_assertion_type is not one that this server takes";
            return Err(Refusal::new(ErrorCode::InvalidClient, text));
        }
    };
    // OA21-2.4-1
    if headers.contains_key(AUTHORIZATION) || form.one("client_secret")?.is_some() {
        return Err(invalid("the client authenticated twice: by client_assertion and by a secret"));
    }
    let assertion = ClientAssertion::parse(assertion)
        .map_err(|error| Refusal::new(ErrorCode::InvalidClient, error.to_string()))?;
    // R7523-3-3
    if form.one("client_id")?.is_some_and(|id| id != assertion.client_id().as_str()) {
        let text = "client_id differs from the sub of client_assertion";
        return Err(Refusal::new(ErrorCode::InvalidClient, text));
    }
    Ok(Some(assertion))
}

/// Proves `client` by the assertion, and uses the assertion up.
pub(crate) async fn prove(
    core: &Core,
    (client, peer): (&Client, Peer),
    assertion: &ClientAssertion<'_>,
    now: Timestamp,
) -> Result<Result<(), AssertionError>, Refusal> {
    // A21: who was registered with a secret, or as a public client, does not become known by a key.
    let metadata = &client.metadata;
    let bound = metadata.token_endpoint_auth_signing_alg;
    if metadata.token_endpoint_auth_method != ClientAuthMethod::PrivateKeyJwt
        || bound.is_some_and(|algorithm| algorithm != assertion.token().algorithm())
    {
        return Ok(Err(AssertionError::Signature));
    }
    let remote;
    let keys: &JwkSet = match &metadata.keys {
        None => return Ok(Err(AssertionError::Signature)),
        Some(ClientKeys::Set(keys)) => keys,
        Some(ClientKeys::Uri(uri)) => {
            let published = Published { uri, client: &client.id, peer: Some(peer) };
            match core.key_sets.get(core, published, assertion.token(), now).await {
                Some(keys) => {
                    remote = keys;
                    &remote
                }
                // What the cause is, the paper trail knows; a client is told nothing of the address (A30).
                None => return Ok(Err(AssertionError::Signature)),
            }
        }
    };
    let once = match assertion.verify(keys, (core.public_url(), client.assertion_audience), now) {
        Ok(once) => once,
        Err(error) => return Ok(Err(error)),
    };
    // Each is a row until it ends: who holds the key may not pile them up, and nobody else can spend this share.
    core.signed_assertions.admit(client.id.as_str(), now).map_err(Error::too_many_requests)?;
    // A19: the database's row is the verdict; without it nobody is let in.
    let is_first = core.assertions.spend(&client.id, &once).await?;
    Ok(if is_first { Ok(()) } else { Err(AssertionError::Used) })
}
