//! HTTP Basic client credentials: base64, then form-urldecoding of both halves (OAuth 2.1 §2.4.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::{ClientId, Secret};

/// Why an `Authorization: Basic` header was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Basic credentials are not base64 of form-encoded client_id and client_secret")]
pub struct BasicError;

/// A client's identifier and the secret that it presented.
#[derive(Clone, Debug)]
pub struct BasicCredentials {
    /// The identifier, decoded.
    pub client_id: ClientId,
    /// The secret, decoded.
    pub client_secret: Secret,
}

impl BasicCredentials {
    /// Reads the value of an `Authorization` header; `None` when it is of another scheme.
    ///
    /// # Errors
    /// When the scheme is Basic and the rest is not decodable (OA21-2.4.1-3).
    pub fn from_header(value: &str) -> Option<Result<Self, BasicError>> {
        let (scheme, encoded) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then(|| Self::decode(encoded.trim()))
    }

    /// The value of an `Authorization` header with these credentials.
    #[must_use]
    pub fn header(&self) -> Zeroizing<String> {
        let encode = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
        let (id, secret) = (encode(self.client_id.as_str()), encode(self.client_secret.expose()));
        let both = Zeroizing::new(format!("{}:{}", *id, *secret));
        Zeroizing::new(format!("Basic {}", STANDARD.encode(both.as_bytes())))
    }

    fn decode(encoded: &str) -> Result<Self, BasicError> {
        let bytes = STANDARD.decode(encoded).map_err(|_| BasicError)?;
        let text = String::from_utf8(bytes).map_err(|_| BasicError)?;
        let (id, secret) = text.split_once(':').ok_or(BasicError)?;
        let (id, secret) = (form_decode(id)?, form_decode(secret)?);
        Ok(Self { client_id: ClientId::from(id), client_secret: Secret::presented(secret) })
    }
}

/// RFC 6749 appendix B: `+` is a space, `%` begins an octet.
fn form_decode(text: &str) -> Result<String, BasicError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| BasicError)?;
    if decoded.contains('\0') { Err(BasicError) } else { Ok(decoded.into_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(id: &str, secret: &str) -> String {
        let (client_id, client_secret) = (ClientId::from(id.to_owned()), Secret::presented(secret));
        BasicCredentials { client_id, client_secret }.header().to_string()
    }

    /// OA21-2.4.1-3
    #[test]
    fn both_halves_are_form_decoded() {
        let read =
            BasicCredentials::from_header(&header("https://c.example/a:b", "a:b+c %")).unwrap().unwrap();
        assert_eq!(read.client_id.as_str(), "https://c.example/a:b");
        assert_eq!(read.client_secret.expose(), "a:b+c %");
        assert!(BasicCredentials::from_header("Bearer x").is_none());
        assert!(BasicCredentials::from_header("basic !!!").unwrap().is_err());
    }

    proptest! {
        #[test]
        fn what_a_client_encodes_we_decode(id in "[^\0]{1,40}", secret in "[^\0]{0,60}") {
            let read = BasicCredentials::from_header(&header(&id, &secret)).unwrap().unwrap();
            prop_assert_eq!(read.client_id.as_str(), id);
            prop_assert_eq!(read.client_secret.expose(), secret);
        }

        /// OA21-2.4.1-3: strangers' headers are read or refused, and never as what they do not say
        #[test]
        fn whatever_arrives_is_read_or_refused(header in ".{0,60}", inside in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = BasicCredentials::from_header(&header);
            match BasicCredentials::from_header(&format!("Basic {}", STANDARD.encode(&inside))) {
                Some(Ok(read)) => {
                    prop_assert!(inside.contains(&b':'));
                    prop_assert!(!read.client_id.as_str().contains('\0') && !read.client_secret.expose().contains('\0'));
                }
                other => prop_assert!(matches!(other, Some(Err(BasicError)))),
            }
        }
    }
}
