//! What every grant of a person's does last: an access token, and a refresh token where client and person allow one.

use portcullis_database::Transaction;
use portcullis_oauth::{ErrorCode, GrantId, GrantType, JwkThumbprint, PrincipalId, ResourceUri, ScopeSet};

use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
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

/// What a token request is for: the one resource that it names of those that were granted (R8707-2.1-2, R8707-2.2-1), or
/// the default; with the scopes that were granted there (R8707-2.2-2).
pub(super) async fn granted(
    core: &Core,
    request: &TokenRequest<'_>,
    grant: &GrantId,
    default: Target,
) -> Result<Target, Refusal> {
    let refused = |(reason, expected): (Reason, &str), got: &str, text: &'static str| {
        attempt::refused((Step::Resource, reason), expected, got);
        Refusal::new(ErrorCode::InvalidTarget, text)
    };
    let not_granted = |got: &str| {
        let why = (Reason::ResourceNotGranted, "a resource that was granted");
        refused(why, got, "resource is not one that was granted")
    };
    let mut named: Option<ResourceUri> = None;
    for value in request.form.all("resource") {
        let uri = ResourceUri::parse(value).map_err(|_| not_granted(value))?;
        if named.as_ref().is_some_and(|first| *first != uri) {
            let why = (Reason::ResourceSeveral, "one resource");
            return Err(refused(why, value, "a token is for one resource: name one"));
        }
        named = Some(uri);
    }
    let target = match named.filter(|named| *named != default.resource) {
        None => default,
        Some(resource) => {
            let scope = core.grants.scopes(grant, &resource).await?;
            let scope = scope.ok_or_else(|| not_granted(resource.as_str()))?;
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
