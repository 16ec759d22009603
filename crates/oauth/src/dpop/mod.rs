//! Demonstrating proof of possession (RFC 9449): what a proof must say, and what becomes of one.
//!
//! A [`Proof`] was read and its signature holds; a [`FittingProof`] was also made for this very request, now; and what
//! [`FittingProof::use_up`] gives back is a key that the caller has just shown to hold. Nonces, and which proofs were used
//! before, are a [`ProofKeeper`]'s. No I/O; times arrive as values.

#[cfg(feature = "jose")]
mod keeper;
#[cfg(feature = "jose")]
mod proof;
mod target;
mod usage;

#[cfg(feature = "jose")]
pub use keeper::{NonceStanding, ProofKeeper, UsedProof};
#[cfg(feature = "jose")]
pub use proof::{FittingProof, Proof, ProofError, ProvenRequest, algorithms, prove_holder};
pub use target::HttpTarget;
pub use usage::DpopUse;

/// The header field that holds a proof (RFC 9449 §4.1).
pub const PROOF_HEADER: &str = "dpop";
/// The header field that holds a nonce (RFC 9449 §8.1).
pub const NONCE_HEADER: &str = "dpop-nonce";
