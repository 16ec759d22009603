//! What every grant of a person's does last: an access token, and a refresh token where client and person allow one.

use portcullis_database::Transaction;
use portcullis_oauth::{ErrorCode, GrantId, GrantType, JwkThumbprint, PrincipalId, ResourceUri, ScopeSet};

use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::named_resources;
use crate::refusal::Refusal;
use crate::store::{self, NewRefreshToken, Target};

/// What was granted, about to become tokens.
pub(super) struct Gift<'a> {
    pub(super) grant: &'a GrantId,
    pub(super) principal: &'a PrincipalId,
    pub(super) press: &'a Press,
    pub(super) scopes: &'a ScopeSet,
    /// Whether the person let the client stay connected.
    pub(super) may_refresh: bool,
}

/// Mints inside the transaction whose verdict it was that this caller gets them.
pub(super) async fn mint_in(
    core: &Core,
    request: &TokenRequest<'_>,
    transaction: &mut Transaction,
    gift: &Gift<'_>,
) -> Result<Issued, Refusal> {
    let (now, settings) = (request.now, &core.settings);
    let (press, expires_at) = (gift.press, now.plus(gift.press.life()));
    let access_token = press.strike(core, request, (gift.principal, gift.scopes, None), expires_at)?;
    let minted = press.minted(&access_token, gift.scopes, expires_at);
    store::mint_access_token_in(transaction, gift.grant, &minted, now).await?;
    let refresh_token = if renewable(request, gift.may_refresh) {
        let new = NewRefreshToken {
            grant: gift.grant,
            resource: press.resource(),
            idle_expires_at: now.plus(settings.refresh_idle),
            expires_at: now.plus(settings.refresh_absolute),
            bound_to: renewed_by(request, press),
        };
        Some(store::create_refresh_token_in(transaction, &new).await?)
    } else {
        None
    };
    let held = (gift.principal.clone(), access_token);
    Ok(Issued { refresh_token, ..Issued::access(held, gift.scopes.clone(), expires_at) })
}

/// Whether there is a refresh token too: where the person let the client stay connected, and the client can use one.
pub(super) fn renewable(request: &TokenRequest<'_>, may_refresh: bool) -> bool {
    may_refresh && request.client.client().may_use(GrantType::RefreshToken)
}

/// The key that must come with the refresh token: a public client's, since nothing else keeps a thief from using it
/// (R9449-5-2). A confidential client proves who it is.
pub(super) fn renewed_by<'p>(request: &TokenRequest<'_>, press: &'p Press) -> Option<&'p JwkThumbprint> {
    if request.client.client().is_confidential() { None } else { press.bound_to() }
}

/// What a token request is for: the one resource that it names of those that were granted (R8707-2.1-2, R8707-2.2-1); with
/// the scopes that were granted there (R8707-2.2-2).
///
/// One that names none means `default`, also where several were granted: token and refresh calls inherit the grant (DC-2), and
/// real clients leave the parameter out there. A code's and a device's default is the first of those that were ticked, in the
/// client's own order; a refresh token's is what its first access token was for. Another audience refuses such a token, so
/// the client learns what it has to name.
pub(super) async fn granted(
    core: &Core,
    request: &TokenRequest<'_>,
    grant: &GrantId,
    default: Target,
) -> Result<Target, Refusal> {
    let named = named_resources::one(request.form.all("resource"))?;
    let target = match named.filter(|named| *named != default.resource) {
        None => default,
        Some(resource) => {
            let scope = core.grants.scopes(grant, &resource).await?;
            let scope = scope.ok_or_else(|| {
                let expected = "a resource that was granted";
                attempt::refused((Step::Resource, Reason::ResourceNotGranted), expected, &resource);
                Refusal::new(ErrorCode::InvalidTarget, "resource is not one that was granted")
            })?;
            Target { resource, scope }
        }
    };
    within_limits(request, &target.resource)?;
    Ok(target)
}

/// A28: what the client may reach today bounds every grant, whatever was granted before.
pub(super) fn within_limits(request: &TokenRequest<'_>, resource: &ResourceUri) -> Result<(), Refusal> {
    if request.client.client().may_reach(resource) {
        return Ok(());
    }
    let expected = "a resource that this client is registered for";
    attempt::refused((Step::Resource, Reason::ResourceNotAllowed), expected, resource);
    Err(Refusal::new(ErrorCode::InvalidTarget, "this client may not reach the resource"))
}
