//! What every grant of a person's does last: an access token, and a refresh token where client and person allow one.

use portcullis_database::Transaction;
use portcullis_oauth::{ErrorCode, GrantId, GrantType, PrincipalId, ResourceUri, ScopeSet};

use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::refusal::Refusal;
use crate::store::{self, NewRefreshToken};

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
    let reach = (press.resource(), gift.scopes);
    store::mint_access_token_in(transaction, &access_token, gift.grant, reach, (now, expires_at)).await?;
    let refresh_token = if renewable(request, gift.may_refresh) {
        let new = NewRefreshToken {
            grant: gift.grant,
            resource: press.resource(),
            idle_expires_at: now.plus(settings.refresh_idle),
            expires_at: now.plus(settings.refresh_absolute),
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

/// A28: what the client may reach today bounds every grant, whatever was granted before.
pub(super) fn within_limits(request: &TokenRequest<'_>, resource: &ResourceUri) -> Result<(), Refusal> {
    if request.client.client().may_reach(resource) {
        return Ok(());
    }
    let expected = "a resource that this client is registered for";
    attempt::refused((Step::Resource, Reason::ResourceNotAllowed), expected, resource);
    Err(Refusal::new(ErrorCode::InvalidTarget, "this client may not reach the resource"))
}
