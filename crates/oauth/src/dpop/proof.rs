//! A proof of possession (RFC 9449 §4): read, judged for one request, used once.

use serde_json::{Map, Value};

use super::keeper::{NonceStanding, ProofKeeper, UsedProof};
use super::target::HttpTarget;
use crate::jose::{Algorithm, Jwk, JwkError, Jws, JwsError, time};
use crate::{ErrorCode, JwkThumbprint, Seconds, Secret, Timestamp};

/// A longer proof is not even split; one with an RSA key of 8192 bits is half as long.
const LONGEST: usize = 8_192;
/// What a client may have us remember of a proof's name.
const LONGEST_JTI: usize = 256;
/// So far from our time may a proof have been made (R9449-11.1-1).
const WINDOW: Seconds = Seconds(60);
/// The same where a nonce of ours tells that it is fresh, so that a client's clock may be wrong (RFC 9449 §11.1). MCP's
/// extension allows no more.
const WINDOW_WITH_NONCE: Seconds = Seconds::minutes(5);
/// So far the clocks of our own nodes may differ.
const SKEW: Seconds = Seconds(60);

/// Why a proof does not count.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// It breaks a rule, which the text names.
    #[error("{0}")]
    Invalid(&'static str),
    /// It is good, but not of the key that the token is bound to.
    #[error("the token is bound to another key than the proof's")]
    OtherKey,
    /// It lacks the nonce that is inside.
    #[error("the DPoP proof must hold the nonce that this answer's DPoP-Nonce gives")]
    NonceNeeded(String),
    /// It could not be told whether it was used before: fails closed.
    #[error("the DPoP proof could not be checked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ProofError {
    /// The registered code (RFC 9449 §5, §8).
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidDpopProof,
            Self::OtherKey => ErrorCode::InvalidToken,
            Self::NonceNeeded(_) => ErrorCode::UseDpopNonce,
            Self::Unavailable(_) => ErrorCode::TemporarilyUnavailable,
        }
    }
}

/// What proofs may be signed with, as metadata lists them.
#[must_use]
pub fn algorithms() -> Vec<String> {
    Algorithm::ALL.map(|algorithm| algorithm.as_str().to_owned()).to_vec()
}

/// The request that a proof must have been made for.
#[derive(Clone, Copy, Debug)]
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Where it went, by the name under which the server is published.
    pub target: &'a HttpTarget,
    /// The access token that it presents, at a resource.
    pub token: Option<&'a Secret>,
}

/// A proof whose form is right and whose signature its own key made. What else it says is not judged yet.
#[derive(Clone, Debug)]
pub struct Proof {
    key: JwkThumbprint,
    jti: String,
    method: String,
    target: HttpTarget,
    issued_at: Timestamp,
    token_hash: Option<String>,
    nonce: Option<String>,
}

impl Proof {
    /// The proof in the `DPoP` header fields of a request; `None` when there is no such field.
    ///
    /// # Errors
    /// When there are several (R9449-4.3-1), or it breaks a rule.
    pub fn read<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Self>, ProofError> {
        let mut fields = fields.into_iter();
        let Some(field) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            return Err(ProofError::Invalid("there is more than one DPoP header"));
        }
        let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= LONGEST);
        let text = text.ok_or(ProofError::Invalid("the DPoP header is no text, or too long"))?;
        Self::parse(text).map(Some).map_err(ProofError::Invalid)
    }

    fn parse(compact: &str) -> Result<Self, &'static str> {
        let token = Jws::parse(compact).map_err(|error| match error {
            JwsError::Form => {
                "the DPoP proof is not one compact JWS with a JSON object for header and payload"
            }
            // R9449-4.3-2
            JwsError::Algorithm => "the DPoP proof's alg is not an asymmetric one that this server takes",
            JwsError::Critical => "the DPoP proof has critical header parameters that are not understood",
            JwsError::Signature => "the DPoP proof's signature was not made by the key in its header",
        })?;
        // R9068-4-1's counterpart: no other token that the key signed is a proof.
        if token.typ().as_deref() != Some("dpop+jwt") {
            return Err("the DPoP proof's typ is not dpop+jwt");
        }
        let key = token.embedded_key().ok_or("the DPoP proof's header holds no jwk")?;
        let key = Jwk::parse(key).map_err(|error| match error {
            JwkError::Private => "the DPoP proof's jwk holds a private key",
            _ => "the DPoP proof's jwk is not a public key that this server verifies with",
        })?;
        let signature = "the DPoP proof's signature was not made by the key in its header";
        let claims = token.verify(&key).map_err(|_| signature)?;
        Self::of(key.thumbprint().try_into().map_err(|_| signature)?, claims)
    }

    /// R9449-4.3-1: each claim is there and is what it should be.
    fn of(key: JwkThumbprint, claims: &Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let optional = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err("the DPoP proof's ath and nonce must be strings"),
        };
        let jti = text("jti").ok_or("the DPoP proof lacks jti")?;
        // R9449-11.1-1: what we remember is bounded.
        if jti.is_empty() || jti.len() > LONGEST_JTI {
            return Err("the DPoP proof's jti must have 1 to 256 bytes");
        }
        let target = text("htu").and_then(HttpTarget::parse);
        let issued_at = time(claims, "iat").ok().flatten();
        Ok(Self {
            key,
            jti: jti.to_owned(),
            method: text("htm").ok_or("the DPoP proof lacks htm")?.to_owned(),
            target: target.ok_or("the DPoP proof lacks htu, or it is no absolute http(s) URI")?,
            issued_at: issued_at.ok_or("the DPoP proof lacks iat, or it is no time")?,
            token_hash: optional("ath")?,
            nonce: optional("nonce")?,
        })
    }

    /// Judges whether the proof was made for this request (R9449-4.3-3, R9449-4.3-4), with a nonce where one is asked for
    /// (R9449-8-1), and now (R9449-11.1-1).
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn judge(
        self,
        request: &ProvenRequest<'_>,
        keeper: &dyn ProofKeeper,
        now: Timestamp,
    ) -> Result<FittingProof, ProofError> {
        if self.method != request.method {
            return Err(ProofError::Invalid("the DPoP proof's htm is not the method of this request"));
        }
        if self.target != *request.target {
            return Err(ProofError::Invalid("the DPoP proof's htu is not the URI of this request"));
        }
        let token = request.token.map(Secret::hash);
        if token.as_ref().is_some_and(|hash| self.token_hash.as_deref() != Some(hash.as_str())) {
            return Err(ProofError::Invalid("the DPoP proof's ath is not the hash of the access token"));
        }
        let (window, next_nonce) = match keeper.nonce(self.nonce.as_deref(), now) {
            NonceStanding::NotAsked => (WINDOW, None),
            NonceStanding::Good { next } => (WINDOW_WITH_NONCE, next),
            NonceStanding::Needed(nonce) => return Err(ProofError::NonceNeeded(nonce)),
        };
        if self.issued_at < now.minus(window) || self.issued_at > now.plus(window) {
            return Err(ProofError::Invalid("the DPoP proof's iat is too far from this server's time"));
        }
        // Neither key nor target holds a space, so no two proofs are remembered as one.
        let name = format!("{} {} {}", self.key.as_str(), self.target.as_str(), self.jti);
        let until = self.issued_at.plus(WINDOW_WITH_NONCE).plus(SKEW);
        let used = UsedProof { hash: Secret::presented(name).hash(), until, token };
        Ok(FittingProof { key: self.key, used, next_nonce })
    }
}

/// A proof that was made for the request that it came with. It counts once it is used up.
#[derive(Clone, Debug)]
pub struct FittingProof {
    key: JwkThumbprint,
    used: UsedProof,
    next_nonce: Option<String>,
}

impl FittingProof {
    /// The key that made it.
    #[must_use]
    pub fn key(&self) -> &JwkThumbprint {
        &self.key
    }

    /// The nonce for the next proof, when there is a new one (RFC 9449 §8.2).
    #[must_use]
    pub fn next_nonce(&self) -> Option<&str> {
        self.next_nonce.as_deref()
    }

    /// Uses the proof up, and gives the key that was thereby proven to be held.
    ///
    /// # Errors
    /// When it was used before (R9449-11.1-1), or when that could not be told.
    pub async fn use_up(
        &self,
        keeper: &dyn ProofKeeper,
        now: Timestamp,
    ) -> Result<&JwkThumbprint, ProofError> {
        match keeper.first_use(&self.used, now).await {
            Ok(true) => Ok(&self.key),
            Ok(false) => Err(ProofError::Invalid("the DPoP proof was used before")),
            Err(cause) => Err(ProofError::Unavailable(cause)),
        }
    }
}

/// What a token that is bound to `key` takes wherever it is presented (R9449-7.1-1): one proof in the header fields, for this
/// very request, of that key (R9449-4.3-4), used up here.
///
/// # Errors
/// Names what is missing or wrong.
pub async fn prove_holder<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    request: &ProvenRequest<'_>,
    key: &JwkThumbprint,
    keeper: &dyn ProofKeeper,
    now: Timestamp,
) -> Result<FittingProof, ProofError> {
    let proof = Proof::read(fields)?.ok_or(ProofError::Invalid("there is no proof in a DPoP header"))?;
    let proof = proof.judge(request, keeper, now)?;
    if proof.key() != key {
        return Err(ProofError::OtherKey);
    }
    proof.use_up(keeper, now).await?;
    Ok(proof)
}

#[cfg(test)]
mod tests;
