//! Tokens that were generated and are about to be written: their rows as every hot path writes them, beside the statement
//! whose row is the verdict.

use portcullis_oauth::{JwkThumbprint, ResourceUri, ScopeSet, Secret, Timestamp};

/// An access token, not yet written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MintedAccess<'a> {
    pub(crate) token: &'a Secret,
    pub(crate) resource: &'a ResourceUri,
    pub(crate) scope: &'a ScopeSet,
    pub(crate) expires_at: Timestamp,
    /// The key without which it is worth nothing (RFC 9449 §5).
    pub(crate) bound_to: Option<&'a JwkThumbprint>,
}

/// A refresh token, not yet written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MintedRefresh<'a> {
    pub(crate) token: &'a Secret,
    /// Not used until then: expired.
    pub(crate) idle_expires_at: Timestamp,
    /// The end of the whole family.
    pub(crate) expires_at: Timestamp,
    /// The key without which it is worth nothing (RFC 9449 §5).
    pub(crate) bound_to: Option<&'a JwkThumbprint>,
}

/// The row of an access token: hash, grant, resource, scope, issued, expires, key.
macro_rules! access_token {
    ($values:literal) => {
        concat!(
            "INSERT INTO access_token (hash, grant_id, resource, scope, issued_at, expires_at, dpop_jkt) SELECT ",
            $values
        )
    };
}

/// The row of a refresh token: hash, grant, resource, idle end, absolute end, key.
macro_rules! refresh_token {
    ($values:literal) => {
        concat!(
            "INSERT INTO refresh_token (hash, grant_id, resource, idle_expires_at, expires_at, dpop_jkt) SELECT ",
            $values
        )
    };
}

pub(super) use {access_token, refresh_token};
