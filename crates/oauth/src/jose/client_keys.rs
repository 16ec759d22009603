//! Where the keys are that verify a client's assertions (RFC 7591 §2, `jwks` and `jwks_uri`): in one place and no other,
//! public halves alone.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{JwkError, JwkSet};
use crate::ClientIdUrl;

/// A client's keys; never in both places (R7591-2-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientKeys {
    /// They stand in its metadata.
    #[serde(rename = "jwks")]
    Set(JwkSet),
    /// They are published there, and may change without a word to us.
    #[serde(rename = "jwks_uri")]
    Uri(String),
}

/// Why a client's keys were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeysError {
    /// Which of the two would count?
    #[error("jwks and jwks_uri exclude each other: name one")]
    Both,
    /// The set is none, or none that may be published.
    #[error("jwks: {0}")]
    Set(JwkError),
    /// Not a URL that would be read.
    #[error("jwks_uri is an https URL in its normal form, with a path and without a fragment")]
    Uri,
}

impl ClientKeysError {
    /// Whether it is wrong also of a client that needs no keys: nobody should go on with a private key published.
    #[must_use]
    pub const fn is_grave(self) -> bool {
        matches!(self, Self::Both | Self::Set(JwkError::Private))
    }
}

impl ClientKeys {
    /// Reads them from a client's metadata; `Ok(None)` when it says nothing of keys.
    ///
    /// # Errors
    /// Names the rule that they break.
    pub fn of(members: &Map<String, Value>) -> Result<Option<Self>, ClientKeysError> {
        let said = |name: &str| members.get(name).filter(|value| !value.is_null());
        match (said("jwks"), said("jwks_uri")) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(ClientKeysError::Both),
            (Some(set), None) => Self::set(set).map(Some),
            (None, Some(uri)) => uri.as_str().ok_or(ClientKeysError::Uri).and_then(Self::at).map(Some),
        }
    }

    /// A set of keys as JSON (RFC 7517 §5).
    ///
    /// # Errors
    /// When it is none, holds a private key, or none that we can verify with.
    pub fn set(document: &Value) -> Result<Self, ClientKeysError> {
        JwkSet::parse(document).map(Self::Set).map_err(ClientKeysError::Set)
    }

    /// Keys that are published at a URL. By http only on this computer; whether that is ever read is for the guarded
    /// client to say.
    ///
    /// # Errors
    /// When it is no URL that would be read.
    pub fn at(uri: &str) -> Result<Self, ClientKeysError> {
        // The same spelling for every parser, as with the other URL that strangers have us read.
        ClientIdUrl::parse(uri, true).map_err(|_| ClientKeysError::Uri)?;
        Ok(Self::Uri(uri.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    fn read(members: &Value) -> Result<Option<ClientKeys>, ClientKeysError> {
        ClientKeys::of(members.as_object().unwrap())
    }

    /// R7591-2-3
    #[test]
    fn keys_stand_in_one_place_and_are_public() {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap().public().to_json();
        let mut private = key.clone();
        private["d"] = json!("AA");
        let uri = "https://app.example/jwks";
        let good = read(&json!({"jwks": {"keys": [key]}})).unwrap().unwrap();
        assert_eq!(read(&serde_json::to_value(&good).unwrap()), Ok(Some(good)), "it is kept as it is said");
        assert_eq!(read(&json!({"jwks_uri": uri})), Ok(Some(ClientKeys::Uri(uri.to_owned()))));
        assert_eq!(read(&json!({"jwks": null, "jwks_uri": null, "jwks_url": uri})), Ok(None));
        for (members, told) in [
            (json!({"jwks": {"keys": [key]}, "jwks_uri": uri}), ClientKeysError::Both),
            (json!({"jwks": {"keys": [key, private]}}), ClientKeysError::Set(JwkError::Private)),
            (json!({"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}), ClientKeysError::Set(JwkError::Private)),
            (json!({"jwks": {"keys": []}}), ClientKeysError::Set(JwkError::Type)),
            (json!({"jwks": [key]}), ClientKeysError::Set(JwkError::Set)),
            (json!({"jwks": uri}), ClientKeysError::Set(JwkError::Set)),
            (json!({"jwks_uri": [uri]}), ClientKeysError::Uri),
            (json!({"jwks_uri": "http://app.example/jwks"}), ClientKeysError::Uri),
            (json!({"jwks_uri": "https://u:p@app.example/jwks"}), ClientKeysError::Uri),
            (json!({"jwks_uri": "https://app.example/jwks#x"}), ClientKeysError::Uri),
            (json!({"jwks_uri": "file:///etc/passwd"}), ClientKeysError::Uri),
            (json!({"jwks_uri": "javascript:alert(1)"}), ClientKeysError::Uri),
        ] {
            assert_eq!(read(&members), Err(told), "{members}");
        }
    }
}
