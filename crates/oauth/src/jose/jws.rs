//! A compact JWS (RFC 7515 §7.1) whose payload is a set of claims: parsed strictly, verified with a key that its reader
//! chose. Nothing in its header chooses a key for us (KEYS-8725-2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Algorithm, Jwk, JwkSet};
use crate::StrictJson;

/// Longer tokens are not even split.
const LONGEST: usize = 16_384;

/// Why a token was refused. Its reader answers with its own error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of base64url with JSON objects in the first two.
    #[error("it is not a compact JWS with a JSON object for header and payload")]
    Form,
    /// `none`, a symmetric algorithm, or one that is unknown here.
    #[error("its algorithm is not one that this server takes")]
    Algorithm,
    /// It demands an extension that is unknown here (RFC 7515 §4.1.11).
    #[error("it has critical header parameters that are not understood")]
    Critical,
    /// No key of the given ones made it.
    #[error("no known key verifies its signature")]
    Signature,
}

/// A token that was parsed and not yet verified: its claims are a stranger's words.
#[derive(Clone, Debug)]
pub struct Jws<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    algorithm: Algorithm,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Parses a compact JWS.
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn parse(compact: &'a str) -> Result<Self, JwsError> {
        let (signed, signature) = compact.rsplit_once('.').ok_or(JwsError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Form)?;
        if compact.len() > LONGEST || payload.contains('.') {
            return Err(JwsError::Form);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Form);
        let header = StrictJson::object(&decode(header)?).ok_or(JwsError::Form)?;
        let claims = StrictJson::object(&decode(payload)?).ok_or(JwsError::Form)?;
        // `b64: false` comes with `crit`, so it is refused here as well.
        if header.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
        let algorithm = algorithm.ok_or(JwsError::Algorithm)?;
        Ok(Self { header, claims, algorithm, signed, signature: decode(signature)? })
    }

    /// The `typ` of its header, lower case and without `application/` (RFC 7515 §4.1.9, R9068-4-1).
    #[must_use]
    pub fn typ(&self) -> Option<String> {
        let typ = self.header.get("typ")?.as_str()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned))
    }

    /// The key that its maker says it used.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The header parameter `jwk`, for the one kind of token that brings its own key (RFC 9449 §4.2).
    #[must_use]
    pub fn embedded_key(&self) -> Option<&Map<String, Value>> {
        self.header.get("jwk").and_then(Value::as_object)
    }

    /// A claim before anybody has verified it: only good for choosing whose keys to verify with.
    #[must_use]
    pub fn unverified(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// Its claims, if `key` made it.
    ///
    /// # Errors
    /// When the key is of another algorithm or did not make it.
    pub fn verify(&self, key: &Jwk) -> Result<&Map<String, Value>, JwsError> {
        if key.algorithm() == self.algorithm && key.verifies(self.signed.as_bytes(), &self.signature) {
            Ok(&self.claims)
        } else {
            Err(JwsError::Signature)
        }
    }

    /// Its claims, if a key of `keys` made it: the one that it names, or any of its algorithm if it names none.
    ///
    /// # Errors
    /// When none of them did.
    pub fn verify_with(&self, keys: &JwkSet) -> Result<&Map<String, Value>, JwsError> {
        let mut candidates = keys.candidates(self.kid(), self.algorithm);
        candidates.find_map(|key| self.verify(key).ok()).ok_or(JwsError::Signature)
    }
}

#[cfg(test)]
mod tests;
