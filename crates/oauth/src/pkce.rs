//! PKCE (RFC 7636): S256 and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Form;
use crate::secret::random_bytes;

/// Why a challenge or a verifier was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// No `code_challenge` (OA21-4.1.2.1-2).
    #[error("code_challenge is required: this server always demands PKCE with S256")]
    ChallengeMissing,
    /// `plain`, something unknown, or absent, which means `plain` (OA21-4.1.1-1).
    #[error("code_challenge_method must be S256")]
    Method,
    /// Not the base64url of 32 bytes (OA21-4.1.1-2).
    #[error("code_challenge must be 43 base64url characters")]
    Challenge,
    /// Outside `43*128unreserved` (OA21-4.1.1-2).
    #[error("code_verifier must be 43 to 128 unreserved characters")]
    Verifier,
}

/// An S256 `code_challenge`: 43 base64url characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[cfg_attr(feature = "sqlx", sqlx(transparent))]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads `code_challenge` and `code_challenge_method` of an authorization request (RFC 7636 §4.3).
    ///
    /// # Errors
    /// When the challenge is missing or malformed, or the method is anything but `S256`.
    pub fn from_request(challenge: Option<&str>, method: Option<&str>) -> Result<Self, PkceError> {
        let challenge = challenge.ok_or(PkceError::ChallengeMissing)?;
        if method != Some("S256") {
            return Err(PkceError::Method);
        }
        let decoded = URL_SAFE_NO_PAD.decode(challenge).map_err(|_| PkceError::Challenge)?;
        if decoded.len() == 32 { Ok(Self(challenge.to_owned())) } else { Err(PkceError::Challenge) }
    }

    /// Reads the challenge out of an authorization request's parameters.
    ///
    /// # Errors
    /// As [`from_request`](Self::from_request); a repeated parameter counts as a missing one.
    pub fn from_form(form: &Form) -> Result<Self, PkceError> {
        let one = |name| form.one(name).ok().flatten();
        Self::from_request(one("code_challenge"), one("code_challenge_method"))
    }

    /// Whether `verifier` is the one behind this challenge (RFC 7636 §4.6), in constant time.
    #[must_use]
    pub fn verify(&self, verifier: &CodeVerifier) -> bool {
        self.0.as_bytes().ct_eq(verifier.challenge().0.as_bytes()).into()
    }

    /// The challenge, as an authorization request states it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A `code_verifier` that obeys the grammar.
#[derive(Clone)]
pub struct CodeVerifier(Zeroizing<String>);

impl std::fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeVerifier(…)")
    }
}

impl CodeVerifier {
    /// 256 random bits (RFC 7636 §7.1), for requests of our own to somebody else's authorization server.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>().as_slice())))
    }

    /// The challenge of this verifier (RFC 7636 §4.2).
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes())))
    }

    /// The text itself, for the one request that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads `code_verifier` (RFC 7636 §4.1).
    ///
    /// # Errors
    /// When it is not 43 to 128 unreserved characters.
    pub fn parse(text: &str) -> Result<Self, PkceError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if (43..=128).contains(&text.len()) && text.bytes().all(unreserved) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(PkceError::Verifier)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B
    #[test]
    fn the_example_of_the_rfc_verifies() {
        let challenge =
            CodeChallenge::from_request(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("S256"))
                .unwrap();
        assert!(
            challenge.verify(&CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap())
        );
        assert!(!challenge.verify(&CodeVerifier::parse(&"a".repeat(43)).unwrap()));
    }

    /// OA21-4.1.1-1, OA21-4.1.1-2, OA21-4.1.2.1-2
    #[test]
    fn nothing_but_s256_of_the_right_size_is_read() {
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(CodeChallenge::from_request(None, Some("S256")), Err(PkceError::ChallengeMissing));
        for method in [None, Some("plain"), Some("s256"), Some("S512")] {
            assert_eq!(CodeChallenge::from_request(Some(good), method), Err(PkceError::Method));
        }
        for bad in ["", "short", &good[1..], &format!("{good}A"), &good.replace('-', "+")] {
            assert_eq!(CodeChallenge::from_request(Some(bad), Some("S256")), Err(PkceError::Challenge));
        }
        for bad in ["a".repeat(42), "a".repeat(129), "a".repeat(42) + "+"] {
            assert!(CodeVerifier::parse(&bad).is_err());
        }
    }
}
