//! Dynamic client registration (RFC 7591): open, and as lenient as real clients need it (DC-11). What the metadata may say is
//! judged in [`crate::client_metadata`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_limits::Verdict;
use portcullis_oauth::{
    ClientAuthMethod, ClientId, ClientMetadata, Error, ErrorCode, Secret, SecretKind, Timestamp,
};
use portcullis_web::Peer;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Core;
use crate::client_authentication::bearer;
use crate::client_metadata::{self, bad, text};
use crate::refusal::{RawBody, Refusal, no_store};
use crate::settings::Registration;
use crate::store::{Client, ClientOrigin, NewClient, Registered};

/// RFC 7591 §3.2.1: everything as stored, so that replaced values are visible; RFC 7592 §3: and what manages it.
#[derive(Serialize)]
struct Answer<'a> {
    client_id: &'a ClientId,
    client_id_issued_at: i64,
    /// Where it is new: it is kept as its hash only (R7591-5-3).
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// 0: it does not expire. Stated whenever there is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    registration_access_token: &'a str,
    registration_client_uri: String,
    #[serde(flatten)]
    metadata: &'a ClientMetadata,
}

/// `POST /oauth/register`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    let invited = invited(&core, (peer, &headers), now).await?;
    let metadata = match members(&body).and_then(|members| judge(&members)) {
        Ok(metadata) => core.settings.offered(metadata),
        Err(refusal) => {
            core.note(Event::new(now, Action::ClientRegistration, Outcome::Refused).because(refusal.code()))
                .await;
            return Err(refusal);
        }
    };
    let new = NewClient { metadata, origin: ClientOrigin::Dynamic, resources: Vec::new() };
    let created = core.registrations.create(new, invited.as_ref(), now).await?;
    let Registered { client, secret, token, invitation } = created.ok_or_else(not_invited)?;
    let detail = serde_json::json!({"client_name": client.metadata.client_name, "invitation": invitation});
    core.trail
        .record(Event::new(now, Action::ClientRegistration, Outcome::Done).through(&client.id).with(detail))
        .await?;
    Ok(answer(&core, StatusCode::CREATED, (&client, secret.as_ref()), &token))
}

/// The invitation that a registration comes with, where one is needed or brought. Whoever has one pays with its uses, not
/// with the share of the network address, so that a crowd behind it keeps nobody invited out (A36).
async fn invited(
    core: &Core,
    (peer, headers): (Peer, &HeaderMap),
    now: Timestamp,
) -> Result<Option<Secret>, Refusal> {
    let brought = bearer(headers);
    let is_invitation = |token: &Secret| token.expose().starts_with(SecretKind::InitialAccess.prefix());
    if core.settings.registration == Registration::Open && !brought.as_ref().is_some_and(is_invitation) {
        // A stray token of another kind changes nothing where anybody may come.
        admit(core, &peer.to_string(), now).await?;
        return Ok(None);
    }
    let Some(token) = brought else {
        let text = "this server registers clients with an initial access token only: ask its administrator";
        return Err(Refusal::new(ErrorCode::InvalidToken, text).challenge_bearer(false));
    };
    if !core.invitations.is_good(&token, now).await? {
        if let Err(seconds) = core.secret_guard.admit(&format!("{peer} invitation"), now) {
            return Err(Error::too_many_requests(seconds).into());
        }
        let event = Event::new(now, Action::ClientRegistration, Outcome::Refused);
        core.note(event.because(ErrorCode::InvalidToken.as_str())).await;
        return Err(not_invited());
    }
    admit(core, token.hash().as_str(), now).await?;
    Ok(Some(token))
}

fn not_invited() -> Refusal {
    let text = "the initial access token is unknown, used up or expired";
    Refusal::new(ErrorCode::InvalidToken, text).challenge_bearer(true)
}

/// R7591-3-1: nobody registers, or registers anew, without end.
pub(crate) async fn admit(core: &Core, source: &str, now: Timestamp) -> Result<(), Refusal> {
    let Verdict::Refused { retry_after } = core.registration_limit.check(source, now) else {
        return Ok(());
    };
    let seconds = u64::try_from(retry_after.0).unwrap_or(1);
    core.note(Event::new(now, Action::ClientRegistration, Outcome::Refused).because("rate_limited")).await;
    Err(Error::too_many_requests(seconds).into())
}

/// A registration as its client is told of it (R7592-3-1).
pub(crate) fn answer(
    core: &Core,
    status: StatusCode,
    (client, secret): (&Client, Option<&Secret>),
    token: &Secret,
) -> Response {
    let answer = Answer {
        client_id: &client.id,
        client_id_issued_at: client.created_at.seconds(),
        client_secret: secret.map(Secret::expose),
        client_secret_expires_at: client.has_secret.then_some(0),
        registration_access_token: token.expose(),
        registration_client_uri: core.public_url().join(&format!("/oauth/register/{}", client.id)),
        metadata: &client.metadata,
    };
    (status, no_store(), Json(answer)).into_response()
}

/// The members of a registration.
pub(crate) fn members(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))? {
        Value::Object(members) => Ok(members),
        _ => Err(bad("the body is not a JSON object")),
    }
}

/// Judges a registration: what is not said gets its default (R7591-2-2).
pub(crate) fn judge(members: &Map<String, Value>) -> Result<ClientMetadata, Refusal> {
    let auth_method = match text(members, "token_endpoint_auth_method")? {
        None => ClientAuthMethod::ClientSecretBasic,
        Some(name) => ClientAuthMethod::parse(name)
            .ok_or_else(|| bad("token_endpoint_auth_method is not one that this server offers"))?,
    };
    client_metadata::judge(members, auth_method)
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::{ApplicationType, ErrorCode, GrantType};

    use super::*;
    use crate::settings::Settings;

    fn registered(body: &Value) -> ClientMetadata {
        judge(body.as_object().unwrap()).unwrap()
    }

    /// R7591-2-2: every default is applied and stated
    #[test]
    fn a_registration_with_redirect_uris_alone_gets_the_defaults() {
        let metadata = registered(&serde_json::json!({"redirect_uris": ["https://a.example/cb"]}));
        assert_eq!(metadata.token_endpoint_auth_method, ClientAuthMethod::ClientSecretBasic);
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode]);
        assert_eq!(metadata.response_types, ["code"]);
        assert_eq!(metadata.application_type, ApplicationType::Web);
    }

    /// DC-9, DC-10: Cursor's one call, of which two URIs are good
    #[test]
    fn one_bad_redirect_uri_does_not_kill_the_others() {
        let metadata = registered(&serde_json::json!({
            "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback", "cursor://other/x", "http://localhost:8787/callback"],
            "application_type": "web", "token_endpoint_auth_method": "none", "scope": "openid mcp.tools.read",
        }));
        assert_eq!(metadata.redirect_uris.len(), 2);
        assert_eq!(metadata.application_type, ApplicationType::Native);
        assert_eq!(
            Settings::default().offered(metadata).scope.to_string(),
            "mcp.tools.read",
            "without OpenID Connect"
        );
    }

    /// A35, OA21-4.2-1: nobody gives itself a grant for which nobody is asked, or for which no host is shown
    #[test]
    fn a_registrant_gets_no_grant_that_an_admin_has_to_give() {
        let names: Vec<&str> = GrantType::ALL.into_iter().map(GrantType::as_str).collect();
        let metadata =
            registered(&serde_json::json!({"redirect_uris": ["https://a.example/"], "grant_types": names}));
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    }

    /// R7591-3.2.2-1, A05
    #[test]
    fn what_cannot_be_used_is_refused_by_its_code() {
        for (body, code) in [
            (r#"{"redirect_uris":["javascript:alert(1)"]}"#, ErrorCode::InvalidRedirectUri),
            (r#"{"redirect_uris":[]}"#, ErrorCode::InvalidRedirectUri),
            ("{}", ErrorCode::InvalidRedirectUri),
            (r#"{"redirect_uris":"https://a.example"}"#, ErrorCode::InvalidRedirectUri),
            (
                r#"{"redirect_uris":["https://a.example"],"grant_types":["password"]}"#,
                ErrorCode::InvalidClientMetadata,
            ),
            (r#"{"redirect_uris":["https://a.example"],"client_name":7}"#, ErrorCode::InvalidClientMetadata),
            (r"[]", ErrorCode::InvalidClientMetadata),
            (r"{", ErrorCode::InvalidClientMetadata),
        ] {
            assert_eq!(
                members(body.as_bytes()).and_then(|members| judge(&members)).unwrap_err().code(),
                code.as_str(),
                "{body}"
            );
        }
    }

    #[test]
    fn a_name_cannot_turn_the_direction_of_the_page() {
        let metadata = registered(
            &serde_json::json!({"redirect_uris": ["https://a.example/"], "client_name": " \u{202e}elgooG\u{0}".replace('\0', "")}),
        );
        assert_eq!(metadata.client_name, "elgooG");
        let blank = registered(
            &serde_json::json!({"redirect_uris": ["https://a.example/"], "client_name": "\u{3164}\u{61c}\u{ad} \u{e0041}"}),
        );
        assert_eq!(blank.client_name, "An unnamed client");
    }
}
