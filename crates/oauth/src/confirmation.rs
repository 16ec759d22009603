//! The key that a token is bound to (RFC 9449 §6, RFC 7800 §3.1), named by its thumbprint (RFC 7638).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Not the base64url of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's thumbprint is 43 base64url characters")]
pub struct JwkThumbprintError;

/// The SHA-256 thumbprint of a public key, base64url (RFC 7638 §3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[cfg_attr(feature = "sqlx", sqlx(transparent))]
#[serde(try_from = "String")]
pub struct JwkThumbprint(String);

impl JwkThumbprint {
    /// Reads a thumbprint that somebody named: `jkt`, `dpop_jkt`.
    ///
    /// # Errors
    /// When it is not the base64url of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, JwkThumbprintError> {
        let decoded = URL_SAFE_NO_PAD.decode(text).map_err(|_| JwkThumbprintError)?;
        if decoded.len() == 32 { Ok(Self(text.to_owned())) } else { Err(JwkThumbprintError) }
    }

    /// The thumbprint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for JwkThumbprint {
    type Error = JwkThumbprintError;

    fn try_from(text: String) -> Result<Self, JwkThumbprintError> {
        Self::parse(&text)
    }
}

/// The claim and member `cnf` (RFC 9449 §6.1, §6.2). One that names another way of confirming is not read: nobody here
/// could check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The key whose holder alone may use the token.
    pub jkt: JwkThumbprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9449-5-1
    #[test]
    fn a_confirmation_names_one_key_and_nothing_else() {
        let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let read = |text: String| serde_json::from_str::<Confirmation>(&text);
        assert_eq!(read(format!(r#"{{"jkt":"{jkt}"}}"#)).unwrap().jkt.as_str(), jkt);
        for bad in [
            r"{}".to_owned(),
            r#"{"jkt":""}"#.to_owned(),
            r#"{"jkt":"AA"}"#.to_owned(),
            format!(r#"{{"jkt":"{jkt}="}}"#),
            format!(r#"{{"jkt":"{jkt}","x5t#S256":"{jkt}"}}"#),
            format!(r#"{{"x5t#S256":"{jkt}"}}"#),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
