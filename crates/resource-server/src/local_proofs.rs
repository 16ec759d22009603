//! What one process knows of proofs of possession by itself: for a server that runs alone. Servers with several nodes bring a
//! [`ProofKeeper`] whose memory all of them share.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_oauth::dpop::{NonceStanding, ProofKeeper, UsedProof};
use portcullis_oauth::{BoxFuture, SecretHash, Timestamp};

/// So many used proofs are remembered: of bearers with live tokens, for six minutes each.
const CAPACITY: usize = 100_000;

/// Remembers used proofs in memory, and asks for no nonces.
#[derive(Debug, Default)]
pub struct LocalProofs(Mutex<HashMap<SecretHash, Timestamp>>);

/// So many proofs are fresh that one more could not be told from a used one.
#[derive(Debug, thiserror::Error)]
#[error("more proofs of possession are in use than can be remembered")]
struct Full;

impl LocalProofs {
    fn use_up(&self, proof: &UsedProof, now: Timestamp) -> Result<bool, Full> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(&proof.hash).is_some_and(|until| now <= *until) {
            return Ok(false);
        }
        if used.len() >= CAPACITY {
            used.retain(|_, until| now <= *until);
        }
        // Forgetting one that is still fresh would let it in again.
        if used.len() >= CAPACITY {
            return Err(Full);
        }
        used.insert(proof.hash.clone(), proof.until);
        Ok(true)
    }
}

impl ProofKeeper for LocalProofs {
    fn nonce(&self, _: Option<&str>, _: Timestamp) -> NonceStanding {
        NonceStanding::NotAsked
    }

    fn first_use<'a>(
        &'a self,
        proof: &'a UsedProof,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(std::future::ready(self.use_up(proof, now).map_err(Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::Secret;

    use super::*;

    fn proof(name: usize) -> UsedProof {
        let hash = Secret::presented(name.to_string()).hash();
        UsedProof { hash, until: Timestamp::from_micros(100), token: None }
    }

    /// R9449-11.1-1: one use while it is fresh; memory is bounded, and when it is full nothing new is taken for unused
    #[test]
    fn a_proof_is_used_once_and_memory_is_bounded() {
        let proofs = LocalProofs::default();
        let at = Timestamp::from_micros;
        assert!(proofs.use_up(&proof(0), at(0)).unwrap());
        assert!(!proofs.use_up(&proof(0), at(100)).unwrap());
        for name in 1..CAPACITY {
            assert!(proofs.use_up(&proof(name), at(0)).unwrap());
        }
        assert!(proofs.use_up(&proof(CAPACITY), at(50)).is_err());
        assert!(!proofs.use_up(&proof(7), at(50)).unwrap());
        assert!(proofs.use_up(&proof(CAPACITY), at(101)).unwrap());
        assert_eq!(proofs.0.lock().unwrap().len(), 1);
    }
}
