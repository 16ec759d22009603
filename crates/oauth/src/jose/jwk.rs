//! Public keys as JSON (RFC 7517): read strictly, told without a private member, named by thumbprint (RFC 7638).

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Algorithm;

/// What only the holder of the private half may know (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// A modulus of 2048 bits, in bytes (KEYS-8725-3); and the longest that is worth verifying with.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;
/// So many keys of a set are looked at.
const MOST_KEYS: usize = 50;
/// A longer key identifier is nobody's.
const LONGEST_KID: usize = 256;

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// A set that publishes a private key is compromised, whatever else is in it (R7591-2-3, R9449-4.3-2).
    #[error("the key holds private members")]
    Private,
    /// Of a type or curve that we do not verify with, or not for signatures.
    #[error("the key is of no type that this server verifies with: EC P-256, Ed25519 or RSA")]
    Type,
    /// Members are missing, of the wrong length, not on the curve, or too weak.
    #[error("the key is malformed or too weak")]
    Malformed,
    /// Not a set of keys.
    #[error("a key set is an object with an array `keys`")]
    Set,
}

/// A public key that verifies one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    kid: Option<String>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl Jwk {
    /// Reads a public key. Members that mean nothing here are passed over (RFC 7517 §4).
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn parse(members: &Map<String, Value>) -> Result<Self, JwkError> {
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(JwkError::Private);
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Err(JwkError::Type);
        }
        let material = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => {
                Material::P256 { x: coordinate(text("x"))?, y: coordinate(text("y"))? }
            }
            (Some("OKP"), Some("Ed25519")) => Material::Ed25519 { x: coordinate(text("x"))? },
            (Some("RSA"), _) => Material::Rsa { n: number(text("n"))?, e: number(text("e"))? },
            _ => return Err(JwkError::Type),
        };
        let kid = text("kid").filter(|kid| kid.len() <= LONGEST_KID).map(str::to_owned);
        let key = Self { kid, material };
        // KEYS-8725-1: an algorithm that the key names binds it; one that does not fit makes it no key at all.
        if text("alg").is_some_and(|named| named != key.algorithm().as_str()) {
            return Err(JwkError::Type);
        }
        key.judge()?;
        Ok(key)
    }

    /// A key that we made ourselves, from the public half in aws-lc-rs's form.
    pub(super) fn p256(point: &[u8]) -> Option<Self> {
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
        let material = Material::P256 { x: x.try_into().ok()?, y: y.try_into().ok()? };
        Some(Self { kid: None, material }.named())
    }

    pub(super) fn ed25519(point: &[u8]) -> Option<Self> {
        Some(Self { kid: None, material: Material::Ed25519 { x: point.try_into().ok()? } }.named())
    }

    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self { kid: None, material: Material::Rsa { n: n.to_vec(), e: e.to_vec() } }.named()
    }

    fn named(self) -> Self {
        Self { kid: Some(self.thumbprint()), ..self }
    }

    /// The identifier under which its owner publishes it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm that it verifies (KEYS-8725-1).
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::P256 { .. } => Algorithm::Es256,
            Material::Ed25519 { .. } => Algorithm::EdDsa,
            Material::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// The SHA-256 thumbprint, base64url: required members only, in lexicographic order, without white space (RFC 7638
    /// §3.2).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let canonical = Value::Object(self.required()).to_string();
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
    }

    /// The key as a JWKS publishes it (KEYS-7517-1).
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut members = self.required();
        members.insert("alg".to_owned(), json!(self.algorithm()));
        members.insert("use".to_owned(), json!("sig"));
        if let Some(kid) = &self.kid {
            members.insert("kid".to_owned(), json!(kid));
        }
        Value::Object(members)
    }

    /// Whether `signature` over `message` was made with the private half.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::P256 { x, y } => {
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            Material::Ed25519 { x } => {
                UnparsedPublicKey::new(&signature::ED25519, x).verify(message, signature).is_ok()
            }
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }

    /// Point on the curve, modulus long enough (KEYS-8725-3).
    fn judge(&self) -> Result<(), JwkError> {
        let is_good = match &self.material {
            Material::P256 { x, y } => {
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).is_ok()
            }
            Material::Ed25519 { x } => signature::ParsedPublicKey::new(&signature::ED25519, x).is_ok(),
            Material::Rsa { n, e } => {
                let is_odd = e.last().is_some_and(|byte| byte % 2 == 1);
                RSA_BYTES.contains(&n.len()) && (1..=8).contains(&e.len()) && is_odd && e.as_slice() != [1]
            }
        };
        if is_good { Ok(()) } else { Err(JwkError::Malformed) }
    }

    fn required(&self) -> Map<String, Value> {
        let encode = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
        let members = match &self.material {
            Material::P256 { x, y } => {
                vec![("crv", json!("P-256")), ("kty", json!("EC")), ("x", encode(x)), ("y", encode(y))]
            }
            Material::Ed25519 { x } => {
                vec![("crv", json!("Ed25519")), ("kty", json!("OKP")), ("x", encode(x))]
            }
            Material::Rsa { n, e } => vec![("e", encode(e)), ("kty", json!("RSA")), ("n", encode(n))],
        };
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Serialize for Jwk {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Map::deserialize(deserializer)?;
        Self::parse(&members).map_err(serde::de::Error::custom)
    }
}

/// A coordinate has its full length (RFC 7518 §6.2.1.2, RFC 8037 §2).
fn coordinate(text: Option<&str>) -> Result<[u8; 32], JwkError> {
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(JwkError::Malformed)
}

/// A number without leading zeros (RFC 7518 §6.3.1, `Base64urlUInt`).
fn number(text: Option<&str>) -> Result<Vec<u8>, JwkError> {
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.filter(|bytes| bytes.first().is_some_and(|byte| *byte != 0)).ok_or(JwkError::Malformed)
}

/// A set of public keys (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys that we can verify with.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Reads somebody else's set: keys of unknown types are passed over (RFC 7517 §5), a private one spoils it all.
    ///
    /// # Errors
    /// When it is no set, holds a private key, or none that we can verify with.
    pub fn parse(document: &Value) -> Result<Self, JwkError> {
        let all = document.get("keys").and_then(Value::as_array).ok_or(JwkError::Set)?;
        let mut keys = Vec::new();
        for key in all.iter().take(MOST_KEYS) {
            match key.as_object().ok_or(JwkError::Set).and_then(Jwk::parse) {
                Ok(key) => keys.push(key),
                Err(JwkError::Private) => return Err(JwkError::Private),
                Err(_) => {}
            }
        }
        if keys.is_empty() { Err(JwkError::Type) } else { Ok(Self { keys }) }
    }

    /// The keys that may have signed a token that names `kid` and `algorithm`: those of that name, or all if it names
    /// none.
    pub fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Jwk> {
        self.keys
            .iter()
            .filter(move |key| key.algorithm() == algorithm && (kid.is_none() || key.kid() == kid))
    }
}

#[cfg(test)]
mod tests;
