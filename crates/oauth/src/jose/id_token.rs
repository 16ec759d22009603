//! ID tokens (OpenID Connect Core §2): who signed in, when and how, told to one client; and what is believed of one that
//! comes back as a hint.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

use super::{JwkSet, Jws, SigningError, SigningKey, single_audience};
use crate::{Algorithm, ClientId, PrincipalId, PublicUrl, Secret};

/// The claims of an ID token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    /// Who says it (OIDC-D-4.3-1).
    pub iss: PublicUrl,
    /// Who signed in.
    pub sub: PrincipalId,
    /// Whom it is told, and nobody else.
    pub aud: ClientId,
    /// Expiry, seconds since the epoch.
    pub exp: i64,
    /// Issue, seconds since the epoch.
    pub iat: i64,
    /// When the person proved who they are, seconds since the epoch; always told, so `max_age` can be checked.
    pub auth_time: i64,
    /// What the client sent, byte for byte; told once, with the code's tokens (OpenID Connect Core §12.2).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nonce: Option<String>,
    /// How well they proved it.
    pub acr: String,
    /// By what means (RFC 8176).
    pub amr: Vec<String>,
    /// The access token that came with it (OpenID Connect Core §3.1.3.6).
    pub at_hash: String,
    /// The session in which they signed in (Back-Channel Logout §2.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sid: Option<String>,
    /// Their name, with the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Their address, with the scope `email`. Nothing here has proven that it is theirs, so `email_verified` is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub email: Option<String>,
}

impl IdTokenClaims {
    /// The `typ` of an ID token; no access token has it (R9068-4-1).
    pub const TYP: &str = "JWT";

    /// The token that says this.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<Secret, SigningError> {
        key.sign(Self::TYP, self).map(Secret::presented)
    }

    /// The left half of the access token's hash, by the hash that goes with the signature (OpenID Connect Core §3.1.3.6).
    #[must_use]
    pub fn at_hash(algorithm: Algorithm, access_token: &Secret) -> String {
        let token = access_token.expose().as_bytes();
        match algorithm {
            Algorithm::Es256 | Algorithm::Rs256 => URL_SAFE_NO_PAD.encode(&Sha256::digest(token)[..16]),
            // Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
            Algorithm::EdDsa => URL_SAFE_NO_PAD.encode(&Sha512::digest(token)[..32]),
        }
    }
}

/// What an `id_token_hint` tells: an ID token of ours, however old (RP-Initiated Logout §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenHint {
    /// The client that it was issued to.
    pub client: ClientId,
    /// The person whom it tells of.
    pub principal: PrincipalId,
}

impl IdTokenHint {
    /// Reads a hint. `None` unless `issuer` signed it with one of `keys`, and as an ID token.
    #[must_use]
    pub fn read(compact: &str, keys: &JwkSet, issuer: &PublicUrl) -> Option<Self> {
        let token = Jws::parse(compact).ok()?;
        if token.typ()? != IdTokenClaims::TYP.to_ascii_lowercase() {
            return None;
        }
        let claims = token.verify_with(keys).ok()?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        if text("iss")? != issuer.as_str() {
            return None;
        }
        let client = ClientId::from(single_audience(claims.get("aud"))?.to_owned());
        Some(Self { client, principal: PrincipalId::from(text("sub")?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::AccessTokenClaims;

    fn claims(issuer: &str) -> IdTokenClaims {
        IdTokenClaims {
            iss: PublicUrl::parse(issuer).unwrap(),
            sub: PrincipalId::from("user_1".to_owned()),
            aud: ClientId::from("client_1".to_owned()),
            exp: 600,
            iat: 0,
            auth_time: 0,
            nonce: None,
            acr: "a".to_owned(),
            amr: vec!["pwd".to_owned()],
            at_hash: String::new(),
            sid: None,
            name: None,
            email: None,
        }
    }

    /// OpenID Connect Core's own example of a hash, and the length that goes with each algorithm
    #[test]
    fn the_hash_of_the_access_token_is_its_left_half() {
        let token = Secret::presented("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        assert_eq!(IdTokenClaims::at_hash(Algorithm::Rs256, &token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(IdTokenClaims::at_hash(Algorithm::Es256, &token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(IdTokenClaims::at_hash(Algorithm::EdDsa, &token).len(), 43);
    }

    /// R9068-4-1: each of the two kinds is refused where the other belongs, and a hint of somebody else is none
    #[test]
    fn a_hint_is_an_id_token_of_ours_and_no_access_token_is_one() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = JwkSet { keys: vec![key.public().clone()] };
        let issuer = PublicUrl::parse("https://h").unwrap();
        let read = |token: &str| IdTokenHint::read(token, &keys, &issuer);
        let token = claims("https://h").sign(&key).unwrap();
        assert_eq!(read(token.expose()).unwrap().client.as_str(), "client_1");
        assert!(!AccessTokenClaims::is_kind_of(&Jws::parse(token.expose()).unwrap()));
        for typ in ["at+jwt", "logout+jwt", "dpop+jwt", ""] {
            assert_eq!(read(&key.sign(typ, &claims("https://h")).unwrap()), None, "{typ}");
        }
        assert_eq!(read(claims("https://evil").sign(&key).unwrap().expose()), None);
        let other = SigningKey::generate(Algorithm::Es256).unwrap();
        assert_eq!(read(claims("https://h").sign(&other).unwrap().expose()), None);
        assert_eq!(read("x.y.z"), None);
    }
}
