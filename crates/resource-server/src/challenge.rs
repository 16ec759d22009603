//! The answers of a bearer check that does not pass (RFC 6750 §3, RFC 9728 §5.1): 400, 401, 403 and 503.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_oauth::{Challenge, Error, ErrorCode, Resource, ScopeSet};

use crate::metadata::metadata_url;

/// Why a request goes no further at the bearer check.
#[derive(Debug)]
pub enum Unauthorized {
    /// No token: told where to look, but not of an error (R6750-3-2).
    Missing,
    /// Not readable as one token (R6750-3.1-1).
    Malformed(&'static str),
    /// A token that is not good here.
    Invalid(&'static str),
    /// A good token that was not given what the operation needs; `scope` is what to ask for (MCP-AUTH-9, DC-23).
    InsufficientScope(ScopeSet),
    /// It could not be decided (ASVS-16.5.1).
    Unavailable,
}

impl Unauthorized {
    /// The answer at `resource`.
    #[must_use]
    pub fn respond(&self, resource: &Resource) -> Response {
        // What the resource names as its working set; other scopes come by step-up (MCP-AUTH-12).
        let working_set = || resource.default_scopes.clone();
        match self {
            Self::Missing => challenged(resource, working_set(), None),
            Self::Malformed(why) => {
                challenged(resource, working_set(), Some((ErrorCode::InvalidRequest, why)))
            }
            Self::Invalid(why) => challenged(resource, working_set(), Some((ErrorCode::InvalidToken, why))),
            Self::InsufficientScope(scope) => challenged(
                resource,
                scope.clone(),
                Some((ErrorCode::InsufficientScope, "this operation needs more than the token was given")),
            ),
            Self::Unavailable => {
                let error = Error::new(ErrorCode::TemporarilyUnavailable, "the token cannot be checked now");
                let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(error.body())).into_response();
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
        }
    }
}

fn challenged(resource: &Resource, scope: ScopeSet, error: Option<(ErrorCode, &'static str)>) -> Response {
    let challenge = Challenge { resource_metadata: metadata_url(&resource.uri), scope, error };
    let (code, description) = error.unwrap_or((
        ErrorCode::InvalidToken,
        "a bearer token is needed; WWW-Authenticate says where to get one",
    ));
    let error = Error::new(code, description);
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = (status, Json(error.body())).into_response();
    // Every part of the value is inside the header's character set (R6750-3-3).
    if let Ok(value) = HeaderValue::from_str(&challenge.header()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::ResourceUri;
    use proptest::prelude::*;

    use super::*;

    /// A strict reader of one challenge (RFC 9110 §11.6.1), written from the grammar: the scheme, and each parameter once.
    fn read(value: &str) -> Option<Vec<(String, String)>> {
        let mut rest = value.strip_prefix("Bearer ")?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        loop {
            let (name, quoted) = rest.split_once("=\"")?;
            let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let (text, after) = quoted.split_once('"')?;
            let is_plain = text.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'\\');
            if !is_token || !is_plain || parameters.iter().any(|(known, _)| known == name) {
                return None;
            }
            parameters.push((name.to_owned(), text.to_owned()));
            match after {
                "" => return Some(parameters),
                _ => rest = after.strip_prefix(", ")?,
            }
        }
    }

    proptest! {
        /// R6750-3-3: whatever a resource and its scopes are called, the challenge is one that a strict client reads
        #[test]
        fn a_challenge_is_readable_whatever_it_names(
            path in "[ -~é\u{0}\r\n]{0,24}",
            scopes in proptest::collection::vec("[ -~é]{1,12}", 0..4),
        ) {
            let Ok(uri) = ResourceUri::parse(&format!("https://h/{path}")) else { return Ok(()) };
            let Ok(scope) = ScopeSet::parse(&scopes.join(" ")) else { return Ok(()) };
            let resource = Resource::new(uri, "Any", scope.clone());
            let answer = Unauthorized::InsufficientScope(scope.clone()).respond(&resource);
            let value = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            let parameters = value.and_then(read);
            prop_assert!(parameters.is_some(), "{value:?}");
            let find = |name: &str| parameters.iter().flatten().find(|(known, _)| known == name).map(|(_, text)| text.clone());
            prop_assert_eq!(find("error"), Some("insufficient_scope".to_owned()));
            prop_assert_eq!(find("resource_metadata"), Some(metadata_url(&resource.uri)));
            prop_assert_eq!(find("scope").unwrap_or_default(), scope.to_string());
        }
    }
}
