//! `grant_type=authorization_code` (OAuth 2.1 §4.1.3): checked first, then redeemed by one statement.

use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{CodeVerifier, ErrorCode, Secret, SecretKind, Timestamp};

use super::minting::{granted, renewable, renewed_by};
use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::openid::Identity;
use crate::refusal::Refusal;
use crate::store::{CodeRow, MintedRefresh, Redemption, Target};

const VERIFIER: &str = "the code_verifier behind the code_challenge";
const LIVE: &str = "a code of this client, within a minute, for the first time";

pub(super) async fn redeem(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let code = request
        .form
        .one("code")?
        .ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "code is missing"))?;
    let verifier = verifier(request)?;
    let Some(row) = core.codes.find(&Secret::presented(code)).await? else {
        return Err(bad_code(Reason::CodeUnknown, "none that is kept"));
    };
    attempt::joins(row.attempt.as_ref());
    attempt::person(&row.principal_id);
    let reach = reach(core, request, &row).await?;
    if !row.code_challenge.verify(&verifier) {
        attempt::refused((Step::Pkce, Reason::VerifierWrong), VERIFIER, "another one");
        // A wrong verifier neither burns the code nor ends what it gave (DC-20, A15).
        core.codes.count_failure(&row.hash).await?;
        return Err(Refusal::new(ErrorCode::InvalidGrant, "code_verifier does not belong to this code"));
    }
    attempt::passed(Step::Pkce, VERIFIER, "that one");
    // R9449-10-1: as with the verifier, the code stays for whoever holds the key.
    if !request.proves(row.dpop_jkt.as_ref()) {
        let text = "the code is bound to a key: send a proof of it in the DPoP header";
        return Err(Refusal::new(ErrorCode::InvalidGrant, text));
    }
    if row.redeemed_at.is_some() {
        return Err(replayed(core, request, &row).await?);
    }
    if !row.is_live(request.now) {
        let (reason, got) = dead_because(&row, request.now);
        return Err(bad_code(reason, got));
    }
    match issue(core, request, (&row, &reach)).await? {
        Some(issued) => {
            attempt::passed(Step::Code, LIVE, "that, for the first time");
            attempt::completed();
            Ok(issued)
        }
        None => Err(replayed(core, request, &row).await?),
    }
}

fn verifier(request: &TokenRequest<'_>) -> Result<CodeVerifier, Refusal> {
    // OA21-4.1.3-4: every code has a challenge, so a verifier is always due.
    let text = request.form.one("code_verifier")?;
    let text = text.ok_or_else(|| {
        attempt::refused((Step::Pkce, Reason::VerifierMissing), VERIFIER, "none");
        Refusal::new(ErrorCode::InvalidGrant, "code_verifier is missing")
    })?;
    CodeVerifier::parse(text).map_err(|error| {
        attempt::refused((Step::Pkce, Reason::PkceMalformed), VERIFIER, error);
        Refusal::new(ErrorCode::InvalidGrant, error.to_string())
    })
}

/// The code belongs to this client (OA21-4.1.3-3) and this redirect URI if one is sent (OA21-10.2-1). Gives what its token
/// will be for.
async fn reach(core: &Core, request: &TokenRequest<'_>, row: &CodeRow) -> Result<Target, Refusal> {
    if row.client_id != request.client.client().id {
        return Err(bad_code(Reason::CodeOfAnother, "another client's"));
    }
    if let Some(uri) = request.form.one("redirect_uri")?.filter(|uri| *uri != row.redirect_uri) {
        attempt::refused((Step::RedirectUri, Reason::RedirectDiffers), &row.redirect_uri, uri);
        return Err(Refusal::new(
            ErrorCode::InvalidGrant,
            "redirect_uri is not the one of the authorization request",
        ));
    }
    let default = Target { resource: row.resource.clone(), scope: row.scopes.clone() };
    granted(core, request, &row.grant_id, default).await
}

/// Redeems the code and mints what it gives, all or nothing. `None`: somebody else redeemed it first.
async fn issue(
    core: &Core,
    request: &TokenRequest<'_>,
    (row, reach): (&CodeRow, &Target),
) -> Result<Option<Issued>, Refusal> {
    let (now, settings) = (request.now, &core.settings);
    let identity = Identity::of(core, request.client.client(), &row.grant_id, now).await?;
    let press = Press::granted(core, &reach.resource, request).await?;
    let expires_at = now.plus(press.life());
    let access = press.strike(core, request, (&row.principal_id, &reach.scope, None), expires_at)?;
    let refresh = renewable(request, row.may_refresh).then(|| Secret::generate(SecretKind::RefreshToken));
    let redemption = Redemption {
        code: &row.hash,
        grant: &row.grant_id,
        access: press.minted(&access, &reach.scope, expires_at),
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
    let issued = Issued { refresh_token: refresh, ..Issued::access(held, reach.scope.clone(), expires_at) };
    issued.telling(core, identity.as_ref(), (row.nonce.as_deref(), now)).map(Some)
}

/// A valid second redemption: somebody has the code and the verifier, so what the code gave is revoked (OA21-4.1.3-2).
async fn replayed(core: &Core, request: &TokenRequest<'_>, row: &CodeRow) -> Result<Refusal, Refusal> {
    core.revoke_grant(&row.grant_id, "code_replayed", request.now).await?;
    attempt::refused((Step::Code, Reason::CodeUsed), LIVE, "that, again");
    let event = Event::new(request.now, Action::Replay, Outcome::Refused).because("code_replayed");
    core.note(event.by(&row.principal_id).through(&row.client_id)).await;
    Ok(Refusal::new(ErrorCode::InvalidGrant, "the code was redeemed before; what it gave is revoked"))
}

/// Why a code is dead, for the trace; the client is told no more than that it is.
fn dead_because(row: &CodeRow, now: Timestamp) -> (Reason, &'static str) {
    if row.user_disabled_at.is_some() {
        (Reason::UserDisabled, "that, but its user is disabled")
    } else if row.grant_revoked_at.is_some() {
        (Reason::GrantEnded, "that, but what was allowed has been ended")
    } else if now >= row.expires_at {
        (Reason::CodeExpired, "that, too late")
    } else {
        (Reason::CodeTried, "that, after too many wrong verifiers")
    }
}

fn bad_code(reason: Reason, got: &'static str) -> Refusal {
    attempt::refused((Step::Code, reason), LIVE, got);
    Refusal::new(ErrorCode::InvalidGrant, "the code is unknown, expired, revoked, or of another client")
}
