//! Reading the `Authorization` header (OAuth 2.1 §5.1.1, RFC 9449 §7.1). Owns the form alone; whether the token is any good is the
//! [`Verifier`](crate::Verifier)'s to say. Tokens in the query or in a body are never looked at (OA21-5.1-1).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use portcullis_oauth::{Secret, TokenScheme};

/// Longer tokens than any issuer makes are not even hashed.
const LONGEST: usize = 8_192;

/// What a request presented.
#[derive(Debug)]
pub enum Presented {
    /// No access token; another scheme counts as none.
    Nothing,
    /// One token, well formed, and how it was presented.
    Token(Secret, TokenScheme),
    /// Something that cannot be read as one token; the text is for the client's developer.
    Malformed(&'static str, TokenScheme),
}

/// Reads the access token of a request.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Presented {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Presented::Nothing };
    // OA21-5.1-2: two ways of sending a token
    if values.next().is_some() {
        return Presented::Malformed("more than one Authorization header", TokenScheme::Bearer);
    }
    let Ok(text) = value.to_str() else {
        let why = "the Authorization header holds characters outside ASCII";
        return Presented::Malformed(why, TokenScheme::Bearer);
    };
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let Some(scheme) = TokenScheme::parse(scheme) else { return Presented::Nothing };
    let token = token.trim_start_matches(' ');
    if token.is_empty() || token.len() > LONGEST || !token.bytes().all(is_token68) {
        let why = "the Authorization header is not the scheme and one token";
        return Presented::Malformed(why, scheme);
    }
    Presented::Token(Secret::presented(token), scheme)
}

/// The characters of `b64token` (OAuth 2.1 §5.1.1).
fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect()
    }

    /// OA21-5.1.1-1
    #[test]
    fn the_scheme_is_read_without_regard_to_case() {
        for (good, expected) in [
            ("Bearer abc", TokenScheme::Bearer),
            ("bEaReR abc", TokenScheme::Bearer),
            ("bearer  abc", TokenScheme::Bearer),
            ("DPoP abc", TokenScheme::Dpop),
            ("dpop abc", TokenScheme::Dpop),
        ] {
            assert!(
                matches!(presented(&headers(&[good])), Presented::Token(t, scheme) if t.expose() == "abc" && scheme == expected),
                "{good}"
            );
        }
    }

    /// OA21-5.1.1-1, OA21-5.1-2
    #[test]
    fn two_tokens_and_no_token_are_malformed() {
        for bad in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\""] {
            assert!(
                matches!(presented(&headers(&[bad])), Presented::Malformed(_, TokenScheme::Bearer)),
                "{bad}"
            );
        }
        assert!(matches!(presented(&headers(&["DPoP a b"])), Presented::Malformed(_, TokenScheme::Dpop)));
        for two in [["Bearer a", "Bearer a"], ["DPoP a", "Bearer a"], ["Bearer a", "DPoP a"]] {
            assert!(matches!(presented(&headers(&two)), Presented::Malformed(..)), "{two:?}");
        }
    }

    #[test]
    fn another_scheme_is_no_bearer_token() {
        assert!(matches!(presented(&headers(&["Basic YTpi"])), Presented::Nothing));
        assert!(matches!(presented(&HeaderMap::new()), Presented::Nothing));
    }
}
