//! The proof that what is sealed of authorizations opens: our secrets at other people's authorization servers, and what
//! browsers were sent away with. Tokens are credentials, and proven with them.

use portcullis_database::{Database, DatabaseError};
use portcullis_vault::{Vault, Verified};

use super::{clients, flows};

/// Opens all of it.
///
/// # Errors
/// When the store fails. What does not open is no error here: it is told.
pub async fn verify_sealed(database: &Database, vault: &Vault) -> Result<[Verified; 2], DatabaseError> {
    Ok([clients::verify(database, vault).await?, flows::verify(database, vault).await?])
}
