//! Dynamic client registration (RFC 7591): open, lenient where real clients need it (DC-5, DC-9 to DC-11), never giving a
//! registrant more than it may have (A35).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_limits::Verdict;
use portcullis_oauth::{
    ApplicationType, ClientAuthMethod, ClientId, ClientMetadata, Error, ErrorCode, GrantType, RedirectUri,
    ScopeSet, Secret, scopes,
};
use portcullis_web::Peer;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Core;
use crate::refusal::{RawBody, Refusal, no_store};
use crate::store::{Client, ClientOrigin, NewClient};

const MAXIMUM_REDIRECT_URIS: usize = 20;
const MAXIMUM_REDIRECT_URIS_LENGTH: usize = 8_000;
const MAXIMUM_NAME: usize = 100;

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

/// Judges a registration: unknown members are ignored (R7591-2-4), defaults are applied (R7591-2-2).
fn judge(body: &[u8]) -> Result<ClientMetadata, Refusal> {
    let value: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
    let Value::Object(members) = value else { return Err(bad("the body is not a JSON object")) };
    let grant_types = grant_types(&members)?;
    let redirect_uris = redirect_uris(&members)?;
    let auth_method = match text(&members, "token_endpoint_auth_method")? {
        None => ClientAuthMethod::ClientSecretBasic,
        Some(name) => ClientAuthMethod::parse(name)
            .ok_or_else(|| bad("token_endpoint_auth_method is not one that this server offers"))?,
    };
    Ok(ClientMetadata {
        client_name: client_name(&members)?,
        client_uri: text(&members, "client_uri")?
            .filter(|uri| uri.starts_with("https://") && RedirectUri::parse(uri).is_ok())
            .map(str::to_owned),
        token_endpoint_auth_method: auth_method,
        response_types: vec!["code".to_owned()],
        application_type: ApplicationType::infer(&redirect_uris),
        scope: scope(&members)?,
        require_pushed_authorization_requests: flag(&members, "require_pushed_authorization_requests")?,
        grant_types,
        redirect_uris,
    })
}

/// DC-9: what is not allowed is dropped if another URI remains, since one call of a real client holds good and bad ones.
fn redirect_uris(members: &Map<String, Value>) -> Result<Vec<RedirectUri>, Refusal> {
    let refuse = |text: String| Refusal::new(ErrorCode::InvalidRedirectUri, text);
    let Some(given) = members.get("redirect_uris") else {
        return Err(refuse("redirect_uris is missing".to_owned()));
    };
    let list = given.as_array().ok_or_else(|| refuse("redirect_uris is not an array".to_owned()))?;
    if list.len() > MAXIMUM_REDIRECT_URIS {
        return Err(refuse(format!("redirect_uris has more than {MAXIMUM_REDIRECT_URIS} entries")));
    }
    if list.iter().filter_map(Value::as_str).map(str::len).sum::<usize>() > MAXIMUM_REDIRECT_URIS_LENGTH {
        return Err(refuse(format!(
            "redirect_uris is longer than {MAXIMUM_REDIRECT_URIS_LENGTH} characters in all"
        )));
    }
    let mut kept: Vec<RedirectUri> = Vec::new();
    let mut first_problem = None;
    for entry in list {
        let entry = entry
            .as_str()
            .ok_or_else(|| refuse("redirect_uris holds something that is not a string".to_owned()))?;
        match RedirectUri::parse(entry) {
            Ok(uri) if kept.contains(&uri) => {}
            Ok(uri) => kept.push(uri),
            Err(problem) => first_problem = first_problem.or(Some(problem)),
        }
    }
    match (kept.is_empty(), first_problem) {
        (false, _) => Ok(kept),
        (true, Some(problem)) => Err(refuse(problem.to_string())),
        (true, None) => Err(refuse("redirect_uris is empty".to_owned())),
    }
}

/// Grants that this server does not offer, or not to somebody unknown (A35), are dropped; without `authorization_code` nothing would remain to be done.
fn grant_types(members: &Map<String, Value>) -> Result<Vec<GrantType>, Refusal> {
    let Some(given) = members.get("grant_types").filter(|value| !value.is_null()) else {
        return Ok(vec![GrantType::AuthorizationCode]);
    };
    let list = given.as_array().ok_or_else(|| bad("grant_types is not an array"))?;
    let named = list.iter().filter_map(Value::as_str).filter_map(GrantType::parse);
    let mut kept: Vec<GrantType> = named.filter(|grant| grant.is_for_anybody()).collect();
    kept.sort_unstable();
    kept.dedup();
    if kept.contains(&GrantType::AuthorizationCode) {
        Ok(kept)
    } else {
        Err(bad("grant_types must name authorization_code"))
    }
}

/// The name as people will see it: no control characters, nothing that turns the direction of text, bounded.
fn client_name(members: &Map<String, Value>) -> Result<String, Refusal> {
    let given = text(members, "client_name")?.unwrap_or_default();
    let kept: String = given.chars().filter(|c| is_visible(*c)).take(MAXIMUM_NAME).collect();
    let kept = kept.trim();
    let readable = kept.chars().any(char::is_alphanumeric);
    Ok(if readable { kept.to_owned() } else { "An unnamed client".to_owned() })
}

/// Neither a control character nor one that a page shows as nothing or that turns the direction of text.
fn is_visible(c: char) -> bool {
    let unseen = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    !c.is_control() && !unseen
}

/// R7591-3.2.1-2: unknown scopes are dropped and the answer shows it. What remains is a default, never a ceiling.
fn scope(members: &Map<String, Value>) -> Result<ScopeSet, Refusal> {
    let asked = ScopeSet::parse(text(members, "scope")?.unwrap_or_default())
        .map_err(|error| bad(error.to_string()))?;
    Ok(asked.intersection(&scopes::ALL.into_iter().collect()))
}

fn flag(members: &Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad(format!("{name} is neither true nor false"))),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err(bad(format!("{name} holds NUL"))),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(format!("{name} is not a string"))),
    }
}

fn bad(description: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidClientMetadata, description)
}

#[cfg(test)]
mod tests {
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
