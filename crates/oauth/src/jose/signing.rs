//! Private keys that sign (RFC 7518 §3): made, kept as PKCS #8 by whoever seals it, and used.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Algorithm, Jwk};

/// A key could not be made, read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key could not be made, read or used")]
pub struct SigningError;

/// A private key with its public half. `Debug` prints the key's name and nothing of the key.
pub struct SigningKey {
    public: Jwk,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Makes a key. Its randomness is aws-lc-rs's own, which asks the operating system: the written exception to the one
    /// door. An RSA key takes about a tenth of a second.
    ///
    /// # Errors
    /// When the library cannot.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::P256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Algorithm::Rs256 => RsaKeyPair::generate(rsa::KeySize::Rsa2048).map(Pair::Rsa),
        };
        Self::of(pair.map_err(|_| SigningError)?)
    }

    /// Reads a key from PKCS #8.
    ///
    /// # Errors
    /// When it is none, or of another algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, SigningError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::P256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
        };
        Self::of(pair.map_err(|_| SigningError)?)
    }

    /// The key as PKCS #8, to be sealed.
    ///
    /// # Errors
    /// When the library cannot.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, SigningError> {
        let kept = |der: &[u8]| Zeroizing::new(der.to_vec());
        match &self.pair {
            Pair::P256(pair) => pair.to_pkcs8v1().map(|der| kept(der.as_ref())),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|der| kept(der.as_ref())),
            Pair::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| kept(der.as_ref())),
        }
        .map_err(|_| SigningError)
    }

    /// Its public half, named by its thumbprint.
    #[must_use]
    pub fn public(&self) -> &Jwk {
        &self.public
    }

    /// Signs claims as a compact JWS of type `typ` (RFC 8725 §3.11: every kind of token says what it is).
    ///
    /// # Errors
    /// When the claims are no JSON or the library cannot.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        let header = json!({"alg": self.public.algorithm(), "kid": self.public.kid(), "typ": typ});
        self.sign_under(&header, claims)
    }

    /// Signs claims under this header: for the kind of token that brings its own key (RFC 9449 §4.2).
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn sign_under(&self, header: &Value, claims: &impl Serialize) -> Result<String, SigningError> {
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError)?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(&claims));
        let signature = self.signature(signed.as_bytes())?;
        Ok(format!("{signed}.{}", encode(&signature)))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => {
                pair.sign(&random, message).map(|made| made.as_ref().to_vec()).map_err(|_| SigningError)
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut made)
                    .map(|()| made)
                    .map_err(|_| SigningError)
            }
        }
    }

    fn of(pair: Pair) -> Result<Self, SigningError> {
        let public = match &pair {
            Pair::P256(pair) => Jwk::p256(pair.public_key().as_ref()),
            Pair::Ed25519(pair) => Jwk::ed25519(pair.public_key().as_ref()),
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                Some(Jwk::rsa(
                    key.modulus().big_endian_without_leading_zero(),
                    key.exponent().big_endian_without_leading_zero(),
                ))
            }
        };
        Ok(Self { public: public.ok_or(SigningError)?, pair })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SigningKey({} {})",
            self.public.algorithm().as_str(),
            self.public.kid().unwrap_or_default()
        )
    }
}
