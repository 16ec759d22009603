//! Dynamic client registration (RFC 7591): open, and as lenient as real clients need it (DC-11). What the metadata may say is
//! judged in [`crate::client_metadata`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_limits::Verdict;
use portcullis_oauth::{ClientAuthMethod, ClientId, ClientMetadata, Error, Secret};
use portcullis_web::Peer;
use serde::Serialize;
use serde_json::Value;

use crate::Core;
use crate::client_metadata::{self, bad, text};
use crate::refusal::{RawBody, Refusal, no_store};
use crate::store::{Client, ClientOrigin, NewClient};

/// RFC 7591 §3.2.1: everything as stored, so that replaced values are visible.
#[derive(Serialize)]
struct Answer<'a> {
    client_id: &'a ClientId,
    client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// 0: it does not expire. Stated whenever there is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    #[serde(flatten)]
    metadata: &'a ClientMetadata,
}

/// `POST /oauth/register`
pub(crate) async fn endpoint(
    State(core): State<Arc<Core>>,
    peer: Peer,
    RawBody(body): RawBody,
) -> Result<Response, Refusal> {
    let now = core.clock.now();
    if let Verdict::Refused { retry_after } = core.registrations.check(&peer.to_string(), now) {
        let seconds = u64::try_from(retry_after.0).unwrap_or(1);
        core.note(Event::new(now, Action::ClientRegistration, Outcome::Refused).because("rate_limited"))
            .await;
        return Err(Error::too_many_requests(seconds).into());
    }
    let metadata = match judge(&body) {
        Ok(metadata) => metadata,
        Err(refusal) => {
            core.note(Event::new(now, Action::ClientRegistration, Outcome::Refused).because(refusal.code()))
                .await;
            return Err(refusal);
        }
    };
    let new = NewClient { metadata, origin: ClientOrigin::Dynamic, resources: Vec::new() };
    let (client, secret) = core.clients.register(new).await?;
    let detail = serde_json::json!({"client_name": client.metadata.client_name});
    core.trail
        .record(Event::new(now, Action::ClientRegistration, Outcome::Done).through(&client.id).with(detail))
        .await?;
    Ok(answer(&client, secret.as_ref()))
}

fn answer(client: &Client, secret: Option<&Secret>) -> Response {
    let answer = Answer {
        client_id: &client.id,
        client_id_issued_at: client.created_at.seconds(),
        client_secret: secret.map(Secret::expose),
        client_secret_expires_at: secret.map(|_| 0),
        metadata: &client.metadata,
    };
    (StatusCode::CREATED, no_store(), Json(answer)).into_response()
}

/// Judges a registration: what is not said gets its default (R7591-2-2).
fn judge(body: &[u8]) -> Result<ClientMetadata, Refusal> {
    let value: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
    let Value::Object(members) = value else { return Err(bad("the body is not a JSON object")) };
    let auth_method = match text(&members, "token_endpoint_auth_method")? {
        None => ClientAuthMethod::ClientSecretBasic,
        Some(name) => ClientAuthMethod::parse(name)
            .ok_or_else(|| bad("token_endpoint_auth_method is not one that this server offers"))?,
    };
    client_metadata::judge(&members, auth_method)
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::{ApplicationType, ErrorCode, GrantType};

    use super::*;

    fn registered(body: &Value) -> ClientMetadata {
        judge(body.to_string().as_bytes()).unwrap()
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
        assert_eq!(metadata.scope.to_string(), "mcp.tools.read");
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
            assert_eq!(judge(body.as_bytes()).unwrap_err().code(), code.as_str(), "{body}");
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
