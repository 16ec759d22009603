//! `grant_type=authorization_code` (OAuth 2.1 §4.1.3): checked first, then redeemed by one statement.

use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{CodeVerifier, ErrorCode, ResourceUri, Secret, SecretKind};

use super::minting::{renewable, renewed_by, within_limits};
use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::openid::Identity;
use crate::refusal::Refusal;
use crate::store::{CodeRow, MintedRefresh, Redemption};

pub(super) async fn redeem(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let code = request
        .form
        .one("code")?
        .ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "code is missing"))?;
    let verifier = verifier(request)?;
    let row = core.codes.find(&Secret::presented(code)).await?.ok_or_else(bad_code)?;
    check_binding(request, &row)?;
    if !row.code_challenge.verify(&verifier) {
        // A wrong verifier neither burns the code nor ends what it gave (DC-20, A15).
        core.codes.count_failure(&row.hash).await?;
        return Err(Refusal::new(ErrorCode::InvalidGrant, "code_verifier does not belong to this code"));
    }
    // R9449-10-1: as with the verifier, the code stays for whoever holds the key.
    if row.dpop_jkt.as_ref().is_some_and(|bound| request.key() != Some(bound)) {
        let text = "the code is bound to a key: send a proof of it in the DPoP header";
        return Err(Refusal::new(ErrorCode::InvalidGrant, text));
    }
    if row.redeemed_at.is_some() {
        return Err(replayed(core, request, &row).await?);
    }
    if !row.is_live(request.now) {
        return Err(bad_code());
    }
    match issue(core, request, &row).await? {
        Some(issued) => Ok(issued),
        None => Err(replayed(core, request, &row).await?),
    }
}

fn verifier(request: &TokenRequest<'_>) -> Result<CodeVerifier, Refusal> {
    // OA21-4.1.3-4: every code has a challenge, so a verifier is always due.
    let text = request.form.one("code_verifier")?;
    let text = text.ok_or_else(|| Refusal::new(ErrorCode::InvalidGrant, "code_verifier is missing"))?;
    CodeVerifier::parse(text).map_err(|error| Refusal::new(ErrorCode::InvalidGrant, error.to_string()))
}

/// The code belongs to this client (OA21-4.1.3-3), this redirect URI if one is sent (OA21-10.2-1) and this resource.
fn check_binding(request: &TokenRequest<'_>, row: &CodeRow) -> Result<(), Refusal> {
    if row.client_id != request.client.client().id {
        return Err(bad_code());
    }
    if request.form.one("redirect_uri")?.is_some_and(|uri| uri != row.redirect_uri) {
        return Err(Refusal::new(
            ErrorCode::InvalidGrant,
            "redirect_uri is not the one of the authorization request",
        ));
    }
    for resource in request.form.all("resource") {
        // R8707-2.1-2: what was asked at the authorization endpoint is the bound.
        if ResourceUri::parse(resource).ok().as_ref() != Some(&row.resource) {
            return Err(Refusal::new(ErrorCode::InvalidTarget, "resource is not the one that was granted"));
        }
    }
    within_limits(request, &row.resource)
}

/// Redeems the code and mints what it gives, all or nothing. `None`: somebody else redeemed it first.
async fn issue(core: &Core, request: &TokenRequest<'_>, row: &CodeRow) -> Result<Option<Issued>, Refusal> {
    let (now, settings) = (request.now, &core.settings);
    let identity = Identity::of(core, request.client.client(), &row.grant_id, now).await?;
    let press = Press::granted(core, &row.resource, request).await?;
    let expires_at = now.plus(press.life());
    let access = press.strike(core, request, (&row.principal_id, &row.scopes, None), expires_at)?;
    let refresh = renewable(request, row.may_refresh).then(|| Secret::generate(SecretKind::RefreshToken));
    let redemption = Redemption {
        code: &row.hash,
        grant: &row.grant_id,
        access: press.minted(&access, &row.scopes, expires_at),
        refresh: refresh.as_ref().map(|token| MintedRefresh {
            token,
            idle_expires_at: now.plus(settings.refresh_idle),
            expires_at: now.plus(settings.refresh_absolute),
            bound_to: renewed_by(request, &press),
        }),
    };
    if !core.codes.redeem(&redemption, now).await? {
        return Ok(None);
    }
    let held = (row.principal_id.clone(), access);
    let issued = Issued { refresh_token: refresh, ..Issued::access(held, row.scopes.clone(), expires_at) };
    issued.telling(core, identity.as_ref(), (row.nonce.as_deref(), now)).map(Some)
}

/// A valid second redemption: somebody has the code and the verifier, so what the code gave is revoked (OA21-4.1.3-2).
async fn replayed(core: &Core, request: &TokenRequest<'_>, row: &CodeRow) -> Result<Refusal, Refusal> {
    core.revoke_grant(&row.grant_id, "code_replayed", request.now).await?;
    let event = Event::new(request.now, Action::Replay, Outcome::Refused).because("code_replayed");
    core.note(event.by(&row.principal_id).through(&row.client_id)).await;
    Ok(Refusal::new(ErrorCode::InvalidGrant, "the code was redeemed before; what it gave is revoked"))
}

fn bad_code() -> Refusal {
    Refusal::new(ErrorCode::InvalidGrant, "the code is unknown, expired, revoked, or of another client")
}
