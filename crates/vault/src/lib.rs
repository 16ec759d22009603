//! Sealing of secrets at rest and the master key.
//!
//! Owns: [`SealingKey`] (XChaCha20-Poly1305 under a key derived by HKDF), the master key's file, and the check that a
//! master key and a database belong together. Leaves what is sealed, and where it is stored, to the crates whose tables
//! hold it. No secret is drawn here: randomness comes through `portcullis_oauth::Secret::generate`.

mod check;
mod error;
mod master;
mod sealing;

pub use check::open;
pub use error::VaultError;
pub use master::MasterKey;
pub use sealing::{SealError, SealingKey};
