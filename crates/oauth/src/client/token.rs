//! What a token endpoint answered (OAuth 2.1 §3.2.3, §3.2.4).

use serde_json::Value;

use crate::{ErrorCode, ScopeSet, Seconds, Secret, StrictJson};

/// Longer tokens are not taken: they would not fit into a header.
const LONGEST: usize = 8_000;
/// However long a token says that it lives: longer than anybody asks for it.
const LONGEST_LIFE: u32 = 366 * 86_400;

/// Tokens.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// Opens the resource.
    pub access_token: Secret,
    /// How long it does; `None` when that was not said.
    pub expires_in: Option<Seconds>,
    /// Gets the next one. None in the answer to a refresh means that the old one stays good (OAuth 2.1 §4.3.1).
    pub refresh_token: Option<Secret>,
    /// What it is good for; `None` means what was asked for (OAuth 2.1 §3.2.3).
    pub scope: Option<ScopeSet>,
}

/// No tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The code or the refresh token is not good, and will not become so: a person has to authorise again.
    Grant,
    /// The authorization server does not know us any more, or not by this secret.
    Client,
    /// It refuses for another reason that asking again will not change.
    Final(Option<ErrorCode>),
    /// It cannot answer now: worth asking again later.
    Later,
    /// What it answered is not understood.
    Malformed,
}

impl TokenAnswer {
    /// Judges an answer with this HTTP status.
    ///
    /// # Errors
    /// When there is no token in it that may be used.
    pub fn read(status: u16, body: &[u8]) -> Result<Self, TokenRefusal> {
        // 408 and 425 say "again", as 429 and every 5xx do.
        if matches!(status, 408 | 425 | 429 | 500..) {
            return Err(TokenRefusal::Later);
        }
        let members = StrictJson::object(body).ok_or(TokenRefusal::Malformed)?;
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        // Some servers say so with a 200.
        if let Some(error) = text("error") {
            return Err(match ErrorCode::parse(error) {
                Some(ErrorCode::InvalidGrant) => TokenRefusal::Grant,
                Some(ErrorCode::InvalidClient | ErrorCode::UnauthorizedClient) => TokenRefusal::Client,
                Some(ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError | ErrorCode::SlowDown) => {
                    TokenRefusal::Later
                }
                code => TokenRefusal::Final(code),
            });
        }
        if status != 200 && status != 201 {
            return Err(if status == 401 { TokenRefusal::Client } else { TokenRefusal::Malformed });
        }
        let token = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if is_token(text) => Ok(Some(Secret::presented(text.as_str()))),
            Some(_) => Err(TokenRefusal::Malformed),
        };
        // OAuth 2.1 §1.4.3: a type that is not understood is not used.
        if !text("token_type").is_some_and(|name| name.eq_ignore_ascii_case("bearer")) {
            return Err(TokenRefusal::Malformed);
        }
        let scope = text("scope").map(ScopeSet::parse).transpose().map_err(|_| TokenRefusal::Malformed)?;
        Ok(Self {
            access_token: token("access_token")?.ok_or(TokenRefusal::Malformed)?,
            expires_in: members.get("expires_in").and_then(seconds),
            refresh_token: token("refresh_token")?,
            scope,
        })
    }
}

/// Some servers write the number as text, some with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "clamped before")]
fn seconds(value: &Value) -> Option<Seconds> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    number.is_finite().then(|| Seconds(number.clamp(0.0, f64::from(LONGEST_LIFE)) as i64))
}

/// What may stand in a header after `Bearer `.
fn is_token(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, 0x21..=0x7e))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_read_as_real_servers_write_them() {
        let read = |body: &str| {
            let read = TokenAnswer::read(200, body.as_bytes())?;
            let life = read.expires_in.map(|life| life.0);
            Ok((life, read.refresh_token.is_some(), read.scope.map(|scope| scope.to_string())))
        };
        let with = |more: &str| format!(r#"{{"access_token":"a","token_type":"bEARER"{more}}}"#);
        assert_eq!(read(&with("")), Ok((None, false, None)));
        let full = with(r#","expires_in":3600,"refresh_token":"r","scope":"b a""#);
        assert_eq!(read(&full), Ok((Some(3_600), true, Some("a b".to_owned()))));
        assert_eq!(read(&with(r#","expires_in":"3599""#)), Ok((Some(3_599), false, None)));
        assert_eq!(read(&with(r#","expires_in":-5"#)), Ok((Some(0), false, None)));
        assert_eq!(read(&with(r#","expires_in":1e300"#)), Ok((Some(i64::from(LONGEST_LIFE)), false, None)));
        for bad in [
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","token_type":"DPoP"}"#,
            r#"{"access_token":"a\r\nx: y","token_type":"bearer"}"#,
            r#"{"access_token":"a b","token_type":"bearer"}"#,
            r#"{"access_token":"","token_type":"bearer"}"#,
            r#"{"access_token":"a","access_token":"b","token_type":"bearer"}"#,
            &with(r#","refresh_token":7"#),
            "access_token=a&token_type=bearer",
        ] {
            assert_eq!(read(bad), Err(TokenRefusal::Malformed), "{bad}");
        }
    }

    /// What passes and what does not are told apart, so that nobody is bothered for a fault that passes.
    #[test]
    fn refusals_are_told_apart() {
        let of = |status, error: &str| {
            TokenAnswer::read(status, format!(r#"{{"error":"{error}"}}"#).as_bytes()).map(drop)
        };
        for (status, error, expected) in [
            (400, "invalid_grant", TokenRefusal::Grant),
            (200, "invalid_grant", TokenRefusal::Grant),
            (401, "invalid_client", TokenRefusal::Client),
            (400, "unauthorized_client", TokenRefusal::Client),
            (400, "temporarily_unavailable", TokenRefusal::Later),
            (500, "invalid_grant", TokenRefusal::Later),
            (429, "invalid_grant", TokenRefusal::Later),
            (400, "invalid_scope", TokenRefusal::Final(Some(ErrorCode::InvalidScope))),
            (400, "bad_verification_code", TokenRefusal::Final(None)),
        ] {
            assert_eq!(of(status, error), Err(expected), "{status} {error}");
        }
        for (status, body, expected) in [
            (502, "<html>", TokenRefusal::Later),
            (404, "<html>", TokenRefusal::Malformed),
            (302, "{}", TokenRefusal::Malformed),
            (401, "{}", TokenRefusal::Client),
        ] {
            assert_eq!(TokenAnswer::read(status, body.as_bytes()).map(drop), Err(expected), "{status}");
        }
    }

    proptest! {
        /// No bytes of a stranger stop the reader.
        #[test]
        fn any_answer_is_read_to_its_end(status in 100_u16..600, bytes: Vec<u8>, text in "[{}\":,a-z0-9_]{0,80}") {
            let _ = TokenAnswer::read(status, &bytes);
            let _ = TokenAnswer::read(status, text.as_bytes());
        }
    }
}
