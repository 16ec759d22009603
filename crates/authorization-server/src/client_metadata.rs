//! A client's own words about itself (RFC 7591 §2), judged by the same rules whether it registers or publishes them: lenient
//! where real clients need it (DC-5, DC-9, DC-10), never giving more than a stranger may have (A35).

use portcullis_oauth::jose::{Algorithm, ClientKeys};
use portcullis_oauth::{
    ApplicationType, ClientAuthMethod, ClientMetadata, ErrorCode, GrantType, RedirectUri, ScopeSet, scopes,
};
use serde_json::{Map, Value};

use crate::openid;
use crate::refusal::Refusal;

const MAXIMUM_REDIRECT_URIS: usize = 20;
const MAXIMUM_REDIRECT_URIS_LENGTH: usize = 8_000;
const MAXIMUM_NAME: usize = 100;

/// Judges everything but how the client authenticates: unknown members are ignored (R7591-2-4).
pub(crate) fn judge(
    members: &Map<String, Value>,
    method: ClientAuthMethod,
) -> Result<ClientMetadata, Refusal> {
    let grant_types = grant_types(members)?;
    let redirect_uris = redirect_uris(members)?;
    Ok(ClientMetadata {
        client_name: client_name(members)?,
        client_uri: text(members, "client_uri")?
            .filter(|uri| uri.starts_with("https://") && RedirectUri::parse(uri).is_ok())
            .map(str::to_owned),
        token_endpoint_auth_method: method,
        response_types: vec!["code".to_owned()],
        application_type: ApplicationType::infer(&redirect_uris),
        scope: scope(members)?,
        require_pushed_authorization_requests: flag(members, "require_pushed_authorization_requests")?,
        openid: openid::judge_registration(members),
        dpop_bound_access_tokens: flag(members, "dpop_bound_access_tokens")?,
        keys: keys(members, method)?,
        token_endpoint_auth_signing_alg: signing_algorithm(members, method)?,
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
    Ok(asked.intersection(&scopes::ALL.into_iter().chain(scopes::OPENID).collect()))
}

/// The keys of a client that proves itself by one; of any other they are nobody's business, unless they are private ones
/// (R7591-2-3).
fn keys(members: &Map<String, Value>, method: ClientAuthMethod) -> Result<Option<ClientKeys>, Refusal> {
    let is_by_key = method == ClientAuthMethod::PrivateKeyJwt;
    match ClientKeys::of(members) {
        Ok(None) if is_by_key => Err(bad("private_key_jwt needs the client's keys: jwks or jwks_uri")),
        Ok(keys) => Ok(keys.filter(|_| is_by_key)),
        Err(error) if is_by_key || error.is_grave() => Err(bad(error.to_string())),
        Err(_) => Ok(None),
    }
}

fn signing_algorithm(
    members: &Map<String, Value>,
    method: ClientAuthMethod,
) -> Result<Option<Algorithm>, Refusal> {
    let named = text(members, "token_endpoint_auth_signing_alg")?;
    let Some(named) = named.filter(|_| method == ClientAuthMethod::PrivateKeyJwt) else { return Ok(None) };
    let algorithm = Algorithm::parse(named);
    algorithm
        .map(Some)
        .ok_or_else(|| bad("token_endpoint_auth_signing_alg is not one that this server takes"))
}

/// A member that is true or false, if it is there.
fn flag(members: &Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad(format!("{name} is neither true nor false"))),
    }
}

/// A member that is a string, if it is there.
pub(crate) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err(bad(format!("{name} holds NUL"))),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(format!("{name} is not a string"))),
    }
}

pub(crate) fn bad(description: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidClientMetadata, description)
}
