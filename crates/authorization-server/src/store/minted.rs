//! Tokens that were generated and are about to be written: their rows as every hot path writes them, beside the statement
//! whose row is the verdict.

use portcullis_oauth::{ResourceUri, ScopeSet, Secret, Timestamp};

/// An access token, not yet written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MintedAccess<'a> {
    pub(crate) token: &'a Secret,
    pub(crate) resource: &'a ResourceUri,
    pub(crate) scope: &'a ScopeSet,
    pub(crate) expires_at: Timestamp,
}

/// A refresh token, not yet written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MintedRefresh<'a> {
    pub(crate) token: &'a Secret,
    /// Not used until then: expired.
    pub(crate) idle_expires_at: Timestamp,
    /// The end of the whole family.
    pub(crate) expires_at: Timestamp,
}

/// The row of an access token: hash, grant, resource, scope, issued, expires.
macro_rules! access_token {
    ($values:literal) => {
        concat!(
            "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at) SELECT ",
            $values
        )
    };
}

/// The row of a refresh token: hash, grant, resource, idle end, absolute end.
macro_rules! refresh_token {
    ($values:literal) => {
        concat!(
            "INSERT INTO refresh_token (hash, grant_id, resource, idle_expires_at, expires_at) SELECT ",
            $values
        )
    };
}

pub(super) use {access_token, refresh_token};
