//! `grant_type=urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4, §3.5): a device asks whether it was allowed.

use portcullis_oauth::{ErrorCode, GrantId, Secret};

use super::minting::{Gift, granted, mint_in};
use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::openid::Identity;
use crate::refusal::Refusal;
use crate::store::{self, DeviceRow, Target};

const LIVE: &str = "a device code of this client, within a quarter of an hour, for the first time";

pub(super) async fn redeem(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let code = request.form.one("device_code")?;
    let code = code.ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "device_code is missing"))?;
    let Some(row) = core.devices.find(&Secret::presented(code).hash()).await? else {
        return Err(bad_code(Reason::CodeUnknown, "none that is kept"));
    };
    attempt::joins(row.attempt.as_ref());
    // R8628-3.4-1, R8628-3.5-2: the client that asked, and once.
    if row.client_id != request.client.client().id {
        return Err(bad_code(Reason::CodeOfAnother, "another client's"));
    }
    if row.redeemed_at.is_some() {
        return Err(bad_code(Reason::CodeUsed, "that, again"));
    }
    if request.now >= row.expires_at {
        attempt::refused((Step::DeviceCode, Reason::DeviceExpired), LIVE, "that, too late");
        return Err(Refusal::new(ErrorCode::ExpiredToken, "nobody allowed the device in time: begin anew"));
    }
    match (row.decided_at, &row.grant_id) {
        (None, _) => Err(wait(core, request, &row).await?),
        (Some(_), None) => {
            attempt::refused((Step::Consent, Reason::Denied), "yes", "no");
            Err(Refusal::new(ErrorCode::AccessDenied, "the user did not allow it"))
        }
        (Some(_), Some(grant)) => issue(core, request, (&row, grant)).await,
    }
}

/// R8628-3.5-1: not yet; or too soon, and then every further poll has five seconds more to wait.
async fn wait(core: &Core, request: &TokenRequest<'_>, row: &DeviceRow) -> Result<Refusal, Refusal> {
    Ok(if core.devices.poll(&row.hash, request.now).await? {
        Refusal::new(ErrorCode::SlowDown, "wait five seconds longer between requests from now on")
    } else {
        Refusal::new(ErrorCode::AuthorizationPending, "the user has not answered yet")
    })
}

async fn issue(
    core: &Core,
    request: &TokenRequest<'_>,
    (row, grant): (&DeviceRow, &GrantId),
) -> Result<Issued, Refusal> {
    let Some(allowed) = core.devices.granted(grant, &row.resource).await? else {
        return Err(bad_code(
            Reason::GrantEnded,
            "that, but what was allowed has been ended or its user is disabled",
        ));
    };
    attempt::person(&allowed.principal_id);
    let default = Target { resource: row.resource.clone(), scope: allowed.scopes };
    let reach = granted(core, request, grant, default).await?;
    let identity = Identity::of(core, request.client.client(), grant, request.now).await?;
    let press = Press::granted(core, &reach.resource, request).await?;
    let mut transaction = core.database.begin().await?;
    if !store::redeem_device_in(&mut transaction, &row.hash, request.now).await? {
        return Err(bad_code(Reason::CodeUsed, "that, again"));
    }
    let gift = Gift {
        grant,
        principal: &allowed.principal_id,
        press: &press,
        scopes: &reach.scope,
        may_refresh: allowed.may_refresh,
    };
    let issued = mint_in(core, request, &mut transaction, &gift).await?;
    transaction.commit().await?;
    attempt::passed(Step::DeviceCode, LIVE, "that, for the first time");
    attempt::completed();
    issued.telling(core, identity.as_ref(), (None, request.now))
}

fn bad_code(reason: Reason, got: &'static str) -> Refusal {
    attempt::refused((Step::DeviceCode, reason), LIVE, got);
    Refusal::new(ErrorCode::InvalidGrant, "the device code is unknown, used, revoked, or of another client")
}
