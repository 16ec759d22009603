//! The answers of a bearer check that does not pass (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1): 400, 401, 403 and 503.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_oauth::dpop::{DpopUse, NONCE_HEADER};
use portcullis_oauth::{Challenge, Error, ErrorCode, Resource, ScopeSet, TokenScheme};

use crate::metadata::{metadata_url, proof_algorithms};

/// Why a request goes no further at the bearer check.
#[derive(Debug)]
pub enum Unauthorized {
    /// No token: told where to look, but not of an error (R6750-3-2).
    Missing,
    /// Not readable as one token (R6750-3.1-1).
    Malformed(&'static str),
    /// A token that is not good here.
    Invalid(&'static str),
    /// A token that is good, but not presented in this way (R9449-7.2-1).
    Unproven(&'static str),
    /// A proof that is not good (R9449-4.3-1).
    Proof(&'static str),
    /// A proof without the nonce that is inside (R9449-8-1).
    NonceNeeded(String),
    /// A good token that was not given what the operation needs; `scope` is what to ask for (MCP-AUTH-9, DC-23).
    InsufficientScope(ScopeSet),
    /// It could not be decided (ASVS-16.5.1).
    Unavailable,
}

impl Unauthorized {
    /// The answer at `resource` to a token that was presented by `scheme`. The error stands in the challenge of that scheme
    /// (R9449-7.1-1); what else is taken here is told beside it.
    #[must_use]
    pub fn respond(&self, resource: &Resource, scheme: TokenScheme, dpop: DpopUse) -> Response {
        let (status, code, description) = match self {
            Self::Unavailable => return unavailable(),
            Self::Missing => (
                StatusCode::UNAUTHORIZED,
                ErrorCode::InvalidToken,
                "an access token is needed; WWW-Authenticate says where to get one",
            ),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, *why),
            Self::Invalid(why) | Self::Unproven(why) => {
                (StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, *why)
            }
            Self::Proof(why) => (StatusCode::UNAUTHORIZED, ErrorCode::InvalidDpopProof, *why),
            Self::NonceNeeded(_) => (
                StatusCode::UNAUTHORIZED,
                ErrorCode::UseDpopNonce,
                "the DPoP proof must hold the nonce that DPoP-Nonce gives",
            ),
            Self::InsufficientScope(_) => (
                StatusCode::FORBIDDEN,
                ErrorCode::InsufficientScope,
                "this operation needs more than the token was given",
            ),
        };
        let mut response = (status, Json(Error::new(code, description).body())).into_response();
        let error = (!matches!(self, Self::Missing)).then_some((code, description));
        for challenge in self.challenges(resource, (scheme, error), dpop) {
            // Every part of the value is inside the header's character set (R6750-3-3).
            if let Ok(value) = HeaderValue::from_str(&challenge.header()) {
                response.headers_mut().append(WWW_AUTHENTICATE, value);
            }
        }
        if let Self::NonceNeeded(nonce) = self
            && let Ok(nonce) = HeaderValue::from_str(nonce)
        {
            response.headers_mut().insert(NONCE_HEADER, nonce);
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// That of the scheme which was used comes first: some clients read one line.
    fn challenges(
        &self,
        resource: &Resource,
        (used, error): (TokenScheme, Option<(ErrorCode, &'static str)>),
        dpop: DpopUse,
    ) -> Vec<Challenge> {
        let scope = match self {
            Self::InsufficientScope(scope) => scope.clone(),
            // What the resource names as its working set; other scopes come by step-up (MCP-AUTH-12).
            _ => resource.default_scopes.clone(),
        };
        let other = if used == TokenScheme::Bearer { TokenScheme::Dpop } else { TokenScheme::Bearer };
        let is_taken = |scheme| match scheme {
            TokenScheme::Bearer => dpop != DpopUse::Required,
            TokenScheme::Dpop => dpop != DpopUse::Off,
        };
        let challenge = |scheme, error| Challenge {
            algs: (scheme == TokenScheme::Dpop).then(|| proof_algorithms().join(" ")),
            resource_metadata: metadata_url(&resource.uri),
            scope: scope.clone(),
            error,
        };
        let mut challenges = Vec::with_capacity(2);
        if is_taken(used) || error.is_some() {
            challenges.push(challenge(used, error));
        }
        if is_taken(other) {
            challenges.push(challenge(other, None));
        }
        challenges
    }
}

fn unavailable() -> Response {
    let error = Error::new(ErrorCode::TemporarilyUnavailable, "the token cannot be checked now");
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(error.body())).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
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
            let why = Unauthorized::InsufficientScope(scope.clone());
            let answer = why.respond(&resource, TokenScheme::Bearer, DpopUse::Off);
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
