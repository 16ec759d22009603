//! The in-process verifier: what this server issued, looked up where it was written.

use std::sync::Arc;

use portcullis_database::DatabaseError;
use portcullis_oauth::jose::{AccessTokenClaims, Jws};
use portcullis_oauth::{
    BoxFuture, Principal, ResourceUri, Secret, SecretKind, Timestamp, VerifiedBearer, Verifier, VerifyError,
};

use crate::Core;
use crate::store::TokenRow;

/// Implements [`Verifier`] over the token table.
pub(crate) struct InProcessVerifier(pub(crate) Arc<Core>);

impl Verifier for InProcessVerifier {
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>> {
        Box::pin(async move { present(&self.0, token, resource, now).await })
    }
}

/// A token that is live for the resource.
pub(crate) struct Found {
    pub(crate) bearer: VerifiedBearer,
    pub(crate) issued_at: Timestamp,
    is_unused: bool,
}

impl Found {
    /// Notes the first use (DC-15).
    pub(crate) async fn note_use(&self, core: &Core, now: Timestamp) -> Result<(), VerifyError> {
        if !self.is_unused {
            return Ok(());
        }
        core.access_tokens.mark_used(self.bearer.token(), now).await.map_err(unavailable)
    }
}

/// What a token is that somebody presents here, at `resource`.
pub(crate) async fn present(
    core: &Core,
    token: &Secret,
    resource: &ResourceUri,
    now: Timestamp,
) -> Result<VerifiedBearer, VerifyError> {
    let found = look_up(core, token, resource, now).await?;
    // One that is bound to a key is used by whoever proves to hold it: its proof's keeper notes that (R9449-7.2-1). Others
    // would make a lost answer look like one that arrived.
    if found.bearer.confirmation().is_none() {
        found.note_use(core, now).await?;
    }
    Ok(found.bearer)
}

/// What a token is to `resource`.
pub(crate) async fn look_up(
    core: &Core,
    token: &Secret,
    resource: &ResourceUri,
    now: Timestamp,
) -> Result<Found, VerifyError> {
    // A refresh token, a code or noise is never looked up as an access token (T06).
    if !may_be_access_token(token) {
        return Err(VerifyError::Invalid("unknown_token"));
    }
    let hash = token.hash();
    let row = core.access_tokens.find(&hash).await.map_err(unavailable)?;
    let row = row.ok_or(VerifyError::Invalid("unknown_token"))?;
    judge(&row, resource, now)?;
    let (connections, is_unused) = (row.connections(), row.used_at.is_none());
    let (groups, standing) = (row.groups(), row.standing());
    // A user's permissions are those of our own resources (SBP-10). What somebody may do at another server is that
    // server's business, so there the token's scopes, to which the user consented, are the bound.
    let (actor, issued_at) = (row.actor().map_err(unavailable)?, row.issued_at);
    let permissions = match core.resources.registered(&row.resource).await.map_err(unavailable)? {
        Some(_) => row.scope.clone(),
        None => row.permissions(),
    };
    let principal = Principal { id: row.principal_id, permissions, groups };
    let holder = (principal, row.client_id, row.grant_id);
    let bearer = VerifiedBearer::attest(hash, row.resource, row.expires_at, holder, (row.scope, connections));
    let bearer = bearer.through(actor).bound_to(row.dpop_jkt).standing_as(standing);
    Ok(Found { bearer, issued_at, is_unused })
}

/// Opaque ones by their prefix, signed ones by their type (R9068-4-1). That we signed one is told by its row.
fn may_be_access_token(token: &Secret) -> bool {
    token.expose().starts_with(SecretKind::AccessToken.prefix())
        || Jws::parse(token.expose()).is_ok_and(|token| AccessTokenClaims::is_kind_of(&token))
}

/// Live, and for exactly this resource (OA21-5-1, MCP-AUTH-6, R7662-2.2-3).
fn judge(row: &TokenRow, resource: &ResourceUri, now: Timestamp) -> Result<(), VerifyError> {
    let wrong = (row.resource != *resource).then_some("wrong_resource");
    match wrong.or_else(|| row.dead_because(now)) {
        Some(reason) => Err(VerifyError::Invalid(reason)),
        None => Ok(()),
    }
}

fn unavailable(error: DatabaseError) -> VerifyError {
    VerifyError::Unavailable(Box::new(error))
}
