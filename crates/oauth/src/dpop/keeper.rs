//! What is known of proofs beyond what one says of itself.

use crate::{BoxFuture, SecretHash, Timestamp};

/// Gives out nonces and remembers which proofs were used. All nodes of a server share one memory: a proof that one of
/// them took is used up at each.
pub trait ProofKeeper: Send + Sync {
    /// What a proof with this nonce, or with none, is worth at `now` (RFC 9449 §8, §9).
    fn nonce(&self, given: Option<&str>, now: Timestamp) -> NonceStanding;

    /// Remembers that a proof was used: `true` for the one caller, of however many, that may count on it (R9449-11.1-1).
    ///
    /// # Errors
    /// When it cannot be remembered. Then nobody may count on the proof.
    fn first_use<'a>(
        &'a self,
        proof: &'a UsedProof,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Box<dyn std::error::Error + Send + Sync>>>;
}

/// What a nonce is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonceStanding {
    /// None is asked for, so none is looked at.
    NotAsked,
    /// It is ours and young enough.
    Good {
        /// The one for the next proof, when this one will soon be too old.
        next: Option<String>,
    },
    /// It is missing, not ours or too old: the next proof has to hold this one.
    Needed(String),
}

/// A proof as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedProof {
    /// Of key, target and `jti`: what makes it this proof (RFC 9449 §11.1).
    pub hash: SecretHash,
    /// Until then the same proof could still be taken for fresh.
    pub until: Timestamp,
    /// The access token that it was presented with, at a resource: from now on that one was used.
    pub token: Option<SecretHash>,
}
