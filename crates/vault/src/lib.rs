//! Sealing of secrets at rest, and the keys for it.
//!
//! Owns: the master key and where it comes from ([`MasterKeySource`]), the tables `encryption_key`, `encryption_key_seal`
//! and `data_key`, and the [`Vault`], which seals a value for one [`Place`] so that a row that was moved or changed does not
//! open. Leaves what is sealed, and where it is stored, to the crates whose tables hold it. No secret is drawn here:
//! randomness comes through `portcullis_oauth::Secret::generate`.

mod command;
mod error;
mod keys;
mod master;
mod place;
mod rotation;
mod sealing;
mod source;
mod unlock;
mod vault;
mod verify;

pub use error::{KeyError, VaultError};
pub use keys::DataKey;
pub use master::MasterKey;
pub use place::{Place, Sealed};
pub use rotation::{Rotated, RotationError};
pub use sealing::{SealError, SealingKey};
pub use source::MasterKeySource;
pub use vault::Vault;
pub use verify::Verified;
