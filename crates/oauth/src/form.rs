//! `application/x-www-form-urlencoded` parameters as OAuth reads them: no repetition, empty means absent, no NUL.

use url::form_urlencoded;
use zeroize::Zeroizing;

/// The parameters of an authorization request that may come once at most (OA21-3.1-4). `client_id` and `redirect_uri` are
/// judged before them, since they decide where an error may go; `resource` may repeat.
pub const SINGLE_AUTHORIZATION_PARAMETERS: [&str; 11] = [
    "response_type",
    "response_mode",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "nonce",
    "max_age",
    "login_hint",
    "dpop_jkt",
];

/// What every `request_uri` of ours begins with (RFC 9126 §2.2).
pub const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The parameters of a token request that may come once at most (OA21-3.1-4).
pub const SINGLE_TOKEN_PARAMETERS: [&str; 16] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "device_code",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
];

/// Why a query or a body was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A parameter other than `resource` came twice (OA21-3.1-4).
    #[error("parameter {0} must not be repeated")]
    Repeated(String),
    /// NUL or bytes that are not UTF-8.
    #[error("parameter {0} holds NUL or bytes that are not UTF-8")]
    Text(String),
    /// A body of another media type (OA21-3.2-2).
    #[error("the body must be application/x-www-form-urlencoded")]
    MediaType,
    /// More parameters than any request has.
    #[error("the request has too many parameters")]
    TooMany,
}

/// Parsed parameters, in their order. Its `Debug` is withheld: values may be secrets.
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Form {
    /// Parses a query string or a form body. Unknown parameters are kept and ignored (OA21-3.1-3); an empty value is an
    /// absent one (OA21-3.1-5).
    ///
    /// # Errors
    /// On NUL, on bytes that are not UTF-8, and on more than 100 parameters.
    pub fn parse(encoded: &[u8]) -> Result<Self, FormError> {
        let mut pairs = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if pairs.len() == 100 {
                return Err(FormError::TooMany);
            }
            if value.contains(['\0', char::REPLACEMENT_CHARACTER]) || name.contains('\0') {
                return Err(FormError::Text(printable(&name)));
            }
            if !value.is_empty() {
                pairs.push((name.into_owned(), Zeroizing::new(value.into_owned())));
            }
        }
        Ok(Self(pairs))
    }

    /// Parses a body that says what it is: form-encoded, never JSON (OA21-3.2-2).
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and when `content_type` is another media type.
    pub fn from_body(content_type: Option<&str>, body: &[u8]) -> Result<Self, FormError> {
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::parse(body)
        } else {
            Err(FormError::MediaType)
        }
    }

    /// The parameters encoded again, but for these.
    #[must_use]
    pub fn encode_without(&self, names: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept.map(|(name, value)| (name, value.as_str())))
            .finish()
    }

    /// The value of a parameter that may come once.
    ///
    /// # Errors
    /// When it came more than once (OA21-3.1-4).
    pub fn one(&self, name: &str) -> Result<Option<&str>, FormError> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { Err(FormError::Repeated(printable(name))) } else { Ok(first) }
    }

    /// Every value of a parameter that may repeat: `resource` (RFC 8707 §2), tick boxes.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Refuses a repetition of any of these parameters.
    ///
    /// # Errors
    /// Names the first one that came more than once (OA21-3.1-4).
    pub fn once_each(&self, names: &[&str]) -> Result<(), FormError> {
        names.iter().try_for_each(|name| self.one(name).map(drop))
    }
}

/// A parameter's name as far as it can stand in an error description.
fn printable(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OA21-3.1-4, OA21-3.1-5
    #[test]
    fn a_repeated_parameter_is_an_error_and_an_empty_one_is_absent() {
        let form = Form::parse(b"a=1&a=2&scope=&resource=x&resource=y").unwrap();
        assert_eq!(form.one("a"), Err(FormError::Repeated("a".into())));
        assert_eq!(form.one("scope"), Ok(None));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn nul_and_bytes_that_are_not_utf8_are_refused() {
        assert_eq!(Form::parse(b"state=a%00b").unwrap_err(), FormError::Text("state".into()));
        assert_eq!(Form::parse(b"state=%ff").unwrap_err(), FormError::Text("state".into()));
    }
}
