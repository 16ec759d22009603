//! Whether whoever presents a token may use it in this way (RFC 9449 §7): one that is bound to a key with a fresh proof of
//! that key, any other as a Bearer token. Asked anew for every request, whatever is remembered of the token.

use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use portcullis_oauth::dpop::{DpopUse, NONCE_HEADER, PROOF_HEADER};
use portcullis_oauth::{JwkThumbprint, Secret, Timestamp, TokenScheme, VerifiedBearer};

use crate::challenge::Unauthorized;

/// A token, and how it was presented.
pub(crate) enum Presentation {
    /// Alone.
    Bearer(Secret),
    /// With whatever stood in the `DPoP` header fields of the request.
    Dpop(Secret, Claim),
}

/// All of a request that a proof is about.
#[cfg_attr(not(feature = "dpop"), expect(dead_code, reason = "no proof is looked at without the feature"))]
pub(crate) struct Claim {
    method: Method,
    path: String,
    proofs: Vec<HeaderValue>,
}

impl Presentation {
    /// A token that a request presented by `scheme`.
    pub(crate) fn new(
        (token, scheme): (Secret, TokenScheme),
        (method, path): (&Method, &str),
        headers: &HeaderMap,
    ) -> Self {
        match scheme {
            TokenScheme::Bearer => Self::Bearer(token),
            TokenScheme::Dpop => {
                let proofs = headers.get_all(PROOF_HEADER).iter().cloned().collect();
                Self::Dpop(token, Claim { method: method.clone(), path: path.to_owned(), proofs })
            }
        }
    }

    pub(crate) fn token(&self) -> &Secret {
        match self {
            Self::Bearer(token) | Self::Dpop(token, _) => token,
        }
    }

    pub(crate) fn scheme(&self) -> TokenScheme {
        match self {
            Self::Bearer(_) => TokenScheme::Bearer,
            Self::Dpop(..) => TokenScheme::Dpop,
        }
    }
}

/// How a resource takes proofs of possession.
#[derive(Clone, Default)]
pub(crate) struct Possession {
    used: DpopUse,
    #[cfg(feature = "dpop")]
    keeper: Option<std::sync::Arc<dyn portcullis_oauth::dpop::ProofKeeper>>,
}

impl Possession {
    /// Takes proofs, and asks `keeper` for nonces and for what was used before.
    #[cfg(feature = "dpop")]
    pub(crate) fn new(
        used: DpopUse,
        keeper: std::sync::Arc<dyn portcullis_oauth::dpop::ProofKeeper>,
    ) -> Self {
        Self { used, keeper: Some(keeper) }
    }

    /// What is told of it.
    pub(crate) fn used(&self) -> DpopUse {
        self.used
    }

    /// Lets a verified token pass if it was presented as it must be. Gives the nonce for the next proof, if there is a new one.
    pub(crate) async fn check(
        &self,
        presented: &Presentation,
        bearer: &VerifiedBearer,
        now: Timestamp,
    ) -> Result<Option<String>, Unauthorized> {
        let refused = |why| Err(Unauthorized::Unproven(why));
        match (presented, bearer.confirmation()) {
            (Presentation::Bearer(_), None) if self.used != DpopUse::Required => Ok(None),
            (Presentation::Bearer(_), None) => {
                refused("this server takes only tokens that are bound to a key (DPoP)")
            }
            // R9449-7.2-1
            (Presentation::Bearer(_), Some(_)) => {
                refused("the token is bound to a key: present it by the scheme DPoP, with a proof")
            }
            (Presentation::Dpop(..), None) => {
                refused("the token is bound to no key: present it by the scheme Bearer")
            }
            (Presentation::Dpop(token, claim), Some(key)) => {
                self.prove((token, claim), (key, bearer), now).await
            }
        }
    }

    #[cfg(feature = "dpop")]
    async fn prove(
        &self,
        (token, claim): (&Secret, &Claim),
        (key, bearer): (&JwkThumbprint, &VerifiedBearer),
        now: Timestamp,
    ) -> Result<Option<String>, Unauthorized> {
        use portcullis_oauth::dpop::{HttpTarget, ProvenRequest, prove_holder};

        let Some(keeper) = &self.keeper else { return Err(takes_none()) };
        // R9449-4.3-3: by the name under which the resource is published, never by `Host`.
        let target = HttpTarget::at(bearer.resource(), &claim.path);
        let target = target.ok_or(Unauthorized::Proof("this request has no URI that a proof can name"))?;
        let request = ProvenRequest { method: claim.method.as_str(), target: &target, token: Some(token) };
        let proofs = claim.proofs.iter().map(HeaderValue::as_bytes);
        let proof = prove_holder(proofs, &request, key, &**keeper, now).await?;
        Ok(proof.next_nonce().map(str::to_owned))
    }

    #[cfg(not(feature = "dpop"))]
    #[expect(clippy::unused_async, reason = "the same shape with and without the feature")]
    async fn prove(
        &self,
        _: (&Secret, &Claim),
        _: (&JwkThumbprint, &VerifiedBearer),
        _: Timestamp,
    ) -> Result<Option<String>, Unauthorized> {
        Err(takes_none())
    }
}

fn takes_none() -> Unauthorized {
    Unauthorized::Unproven("this server checks no proofs, so it takes no token that is bound to a key")
}

#[cfg(feature = "dpop")]
impl From<portcullis_oauth::dpop::ProofError> for Unauthorized {
    fn from(error: portcullis_oauth::dpop::ProofError) -> Self {
        use portcullis_oauth::dpop::ProofError;

        match error {
            ProofError::Invalid(why) => Self::Proof(why),
            ProofError::OtherKey => Self::Invalid("the token is bound to another key than the proof's"),
            ProofError::NonceNeeded(nonce) => Self::NonceNeeded(nonce),
            ProofError::Unavailable(cause) => {
                tracing::error!(?cause, "a proof of possession could not be checked");
                Self::Unavailable
            }
        }
    }
}

/// The answer, with the nonce for the next proof (RFC 9449 §8.2).
pub(crate) fn renewing(mut answer: Response, next_nonce: Option<String>) -> Response {
    if let Some(nonce) = next_nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
        answer.headers_mut().insert(NONCE_HEADER, nonce);
    }
    answer
}
