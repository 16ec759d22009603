//! `grant_type=refresh_token` (OAuth 2.1 §4.3): rotation in families, idempotent for a client that asks twice (DC-15).

use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_oauth::{ErrorCode, ScopeSet, Secret, SecretKind, Timestamp, TokenFormat};
use portcullis_vault::SealingKey;

use super::minting::{granted, renewed_by};
use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::openid::Identity;
use crate::refusal::Refusal;
use crate::store::{MintedRefresh, RefreshRow, Successor, Target};

/// Under this label the presented token becomes the key that opens its successor.
const SEAL_LABEL: &[u8] = b"portcullis refresh successor v1";

const LIVE: &str = "the newest refresh token of this client";

/// What presenting a refresh token turns out to be.
enum Rotation {
    /// The first time.
    Fresh,
    /// Again, by a client that races with itself or lost the answer: it gets the same successor.
    Repeated,
    /// Again, otherwise: somebody else may hold it.
    Replayed,
}

/// What the answer will be good for.
struct Reach {
    press: Press,
    scope: ScopeSet,
    /// Of whom it tells (OpenID Connect Core §12.2).
    identity: Option<Identity>,
}

pub(super) async fn refresh(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let presented = request.form.one("refresh_token")?;
    let presented =
        presented.ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "refresh_token is missing"))?;
    let presented = Secret::presented(presented);
    let row = find(core, request, &presented).await?;
    let reach = reach(core, request, &row).await?;
    if row.dpop_jkt.is_some() {
        return renew(core, request, (presented, &row), &reach).await;
    }
    if let Rotation::Fresh = judge(core, &row, &reach.press, request.now).await?
        && let Some(issued) = rotate(core, request, (&presented, &row), &reach).await?
    {
        return issued.telling(core, reach.identity.as_ref(), (None, request.now));
    }
    // Rotated before, or by somebody who was faster just now: read again what stands there.
    let row = find(core, request, &presented).await?;
    match judge(core, &row, &reach.press, request.now).await? {
        Rotation::Repeated => repeat(core, request, (&presented, &row), reach).await,
        Rotation::Replayed => Err(replayed(core, request, &row).await?),
        Rotation::Fresh => {
            Err(Refusal::new(ErrorCode::TemporarilyUnavailable, "the rotation did not happen: ask again"))
        }
    }
}

/// The token's row: of this client (OA21-4.3-1), with an active grant (OA21-4.3.1-4), neither idle nor too old.
async fn find(core: &Core, request: &TokenRequest<'_>, presented: &Secret) -> Result<RefreshRow, Refusal> {
    let Some(row) = core.refresh_tokens.find(&presented.hash()).await? else {
        return Err(bad_token(Reason::TokenUnknown, "none that is kept"));
    };
    attempt::joins(row.attempt.as_ref());
    attempt::person(&row.principal_id);
    if let Some((reason, got)) = dead_because(&row, request) {
        return Err(bad_token(reason, got));
    }
    // R9449-5-2: whoever else may have it has nothing.
    if !request.proves(row.dpop_jkt.as_ref()) {
        let text = "the refresh token is bound to a key: send a proof of it in the DPoP header";
        return Err(Refusal::new(ErrorCode::InvalidGrant, text));
    }
    Ok(row)
}

/// Why a token is dead; the client is told no more than that it is.
fn dead_because(row: &RefreshRow, request: &TokenRequest<'_>) -> Option<(Reason, &'static str)> {
    let idle = row.rotated_at.is_none() && request.now >= row.idle_expires_at;
    let reasons = [
        (row.client_id != request.client.client().id, Reason::CodeOfAnother, "another client's"),
        (row.user_disabled_at.is_some(), Reason::UserDisabled, "that, but its user is disabled"),
        (row.grant_revoked_at.is_some(), Reason::GrantEnded, "that, but what was allowed has been ended"),
        (request.now >= row.expires_at, Reason::TokenExpired, "that, beyond its end"),
        (idle, Reason::TokenExpired, "that, unused for too long"),
    ];
    reasons.into_iter().find(|(dead, ..)| *dead).map(|(_, reason, got)| (reason, got))
}

/// OA21-4.3.1-3, R8707-2.2-1: a request may narrow what was granted; it never narrows the grant.
async fn reach(core: &Core, request: &TokenRequest<'_>, row: &RefreshRow) -> Result<Reach, Refusal> {
    let gone = || {
        let expected = "a resource that was granted";
        attempt::refused((Step::Resource, Reason::ResourceNotGranted), expected, &row.resource);
        Refusal::new(ErrorCode::InvalidTarget, "resource is not one that was granted")
    };
    let scope = row.granted.clone().unwrap_or_default();
    let default = Target { resource: row.resource.clone(), scope };
    let Target { resource, scope: granted } = granted(core, request, &row.grant_id, default).await?;
    if granted.is_empty() {
        return Err(gone());
    }
    let press = Press::find(core, &resource, request).await?.ok_or_else(gone)?;
    let mut identity = Identity::of(core, request.client.client(), &row.grant_id, request.now).await?;
    let scope = match request.form.one("scope")? {
        None => granted,
        Some(text) => {
            let asked = ScopeSet::parse(text)
                .map_err(|error| Refusal::new(ErrorCode::InvalidScope, error.to_string()))?;
            if asked.is_empty() {
                // White space alone asks for nothing in particular (OA21-3.1-5).
                return Ok(Reach { press, scope: granted, identity });
            }
            let told = identity.as_ref().map(|identity| identity.scopes().clone()).unwrap_or_default();
            let scope = asked.intersection(&granted);
            let all = granted.union(&told);
            if scope.is_empty() || !asked.is_subset(&all) {
                let expected = format_args!("some of {all}, and of {granted} at least one");
                attempt::refused((Step::Scope, Reason::ScopeBeyond), expected, &asked);
                return Err(Refusal::new(ErrorCode::InvalidScope, "scope goes beyond what was granted"));
            }
            identity = identity.and_then(|identity| identity.narrowed(&asked));
            scope
        }
    };
    Ok(Reach { press, scope, identity })
}

async fn judge(
    core: &Core,
    row: &RefreshRow,
    press: &Press,
    now: Timestamp,
) -> Result<Rotation, DatabaseError> {
    let Some(rotated_at) = row.rotated_at else { return Ok(Rotation::Fresh) };
    let unused = row.successor_rotated_at.is_none() && row.access_used_at.is_none();
    // By the life of the token that went with the lost answer, whatever is asked for now.
    let lives = row.access_expires_at.is_some_and(|end| now < end);
    let may_be_lost = unused && lives && !press.is_signed();
    // DC-15: whether a signed token was used, nobody tells us; there the window alone applies.
    let lost = may_be_lost && !first_was_signed(core, row).await?;
    // A grace of 0 is strict: then every second presentation is a replay.
    let strict = core.settings.refresh_grace.0 == 0;
    // Not for bound tokens (DC-15): whoever got a successor that is bound to a key asks with that key, or is somebody else.
    let is_its_holder = row.successor_dpop_jkt.as_ref().is_none_or(|bound| press.bound_to() == Some(bound));
    if !strict && is_its_holder && (now < rotated_at.plus(core.settings.refresh_grace) || lost) {
        Ok(Rotation::Repeated)
    } else {
        Ok(Rotation::Replayed)
    }
}

/// Whether the access token that came with the successor was for a resource that checks by itself.
async fn first_was_signed(core: &Core, row: &RefreshRow) -> Result<bool, DatabaseError> {
    let Some(resource) = &row.access_resource else { return Ok(false) };
    let found = core.resources.find(resource).await?;
    Ok(found.is_some_and(|resource| resource.token_format == TokenFormat::Jwt))
}

/// A token that is bound to its client's key is not rotated: a thief could not use it, so there is nothing to find out by
/// its coming twice. Each use puts off its idle end.
async fn renew(
    core: &Core,
    request: &TokenRequest<'_>,
    (presented, row): (Secret, &RefreshRow),
    reach: &Reach,
) -> Result<Issued, Refusal> {
    let now = request.now;
    let expires_at = now.plus(reach.press.life());
    let access = reach.press.strike(core, request, (&row.principal_id, &reach.scope, None), expires_at)?;
    let minted = reach.press.minted(&access, &reach.scope, expires_at);
    let idle_expires_at = now.plus(core.settings.refresh_idle);
    if !core.refresh_tokens.renew(row, &minted, (now, idle_expires_at)).await? {
        return Err(bad_token(Reason::GrantEnded, "that, but what was allowed has just been ended"));
    }
    let held = (row.principal_id.clone(), access);
    let refresh_token = Some(presented);
    let issued = Issued { refresh_token, ..Issued::access(held, reach.scope.clone(), expires_at) };
    issued.telling(core, reach.identity.as_ref(), (None, now))
}

/// Rotates: the verdict falls, and successor and access token are written with it. `None`: another caller was faster, and
/// nothing of ours was written.
async fn rotate(
    core: &Core,
    request: &TokenRequest<'_>,
    (presented, row): (&Secret, &RefreshRow),
    reach: &Reach,
) -> Result<Option<Issued>, Refusal> {
    let now = request.now;
    let expires_at = now.plus(reach.press.life());
    let successor = Secret::generate(SecretKind::RefreshToken);
    let access = reach.press.strike(core, request, (&row.principal_id, &reach.scope, None), expires_at)?;
    let rotation = Successor {
        refresh: MintedRefresh {
            token: &successor,
            idle_expires_at: now.plus(core.settings.refresh_idle),
            // ASVS-10.4.8: sliding never moves the absolute end.
            expires_at: row.expires_at,
            bound_to: renewed_by(request, &reach.press),
        },
        access: reach.press.minted(&access, &reach.scope, expires_at),
        sealed: &seal(presented, &row.grant_id, &successor, &access),
    };
    if !core.refresh_tokens.rotate(row, rotation, now).await? {
        return Ok(None);
    }
    let (principal, scope) = (row.principal_id.clone(), reach.scope.clone());
    let refresh_token = Some(successor);
    Ok(Some(Issued { refresh_token, ..Issued::access((principal, access), scope, expires_at) }))
}

/// Gives the same successor again, with the access token that was minted first if it fits and still has life.
async fn repeat(
    core: &Core,
    request: &TokenRequest<'_>,
    (presented, row): (&Secret, &RefreshRow),
    reach: Reach,
) -> Result<Issued, Refusal> {
    let opened = row.successor.as_deref().and_then(|sealed| open(presented, &row.grant_id, sealed));
    let unreadable = || bad_token(Reason::TokenReplayed, "that, whose successor cannot be read");
    let (successor, access) = opened.ok_or_else(unreadable)?;
    let fits = row.access_resource.as_ref() == Some(reach.press.resource())
        && row.access_scope.as_ref() == Some(&reach.scope)
        && row.access_dpop_jkt.as_ref() == reach.press.bound_to()
        && row.access_revoked_at.is_none();
    let (principal, scope) = (row.principal_id.clone(), reach.scope.clone());
    let (refresh_token, identity) = (Some(successor), reach.identity.as_ref());
    if let Some(expires_at) = row.access_expires_at.filter(|at| fits && request.now < *at) {
        let issued = Issued { refresh_token, ..Issued::access((principal, access), scope, expires_at) };
        return issued.telling(core, identity, (None, request.now));
    }
    let expires_at = request.now.plus(reach.press.life());
    let token = reach.press.strike(core, request, (&principal, &scope, None), expires_at)?;
    let minted = reach.press.minted(&token, &scope, expires_at);
    core.access_tokens.mint(&row.grant_id, &minted, request.now).await?;
    let issued = Issued { refresh_token, ..Issued::access((principal, token), scope, expires_at) };
    issued.telling(core, identity, (None, request.now))
}

/// OA21-4.3.1-2: reuse outside the rule ends the whole family.
async fn replayed(core: &Core, request: &TokenRequest<'_>, row: &RefreshRow) -> Result<Refusal, Refusal> {
    core.revoke_grant(&row.grant_id, "refresh_token_replayed", request.now).await?;
    attempt::refused(
        (Step::RefreshToken, Reason::TokenReplayed),
        LIVE,
        "an old one, after its successor was used",
    );
    let event = Event::new(request.now, Action::Replay, Outcome::Refused).because("refresh_token_replayed");
    core.note(event.by(&row.principal_id).through(&row.client_id)).await;
    Ok(Refusal::new(ErrorCode::InvalidGrant, "the refresh token was used before; the grant is revoked"))
}

/// The pair, readable only with the presented token in hand: the database alone opens nothing.
fn seal(
    presented: &Secret,
    grant: &portcullis_oauth::GrantId,
    successor: &Secret,
    access: &Secret,
) -> String {
    let pair = zeroize::Zeroizing::new(format!("{} {}", successor.expose(), access.expose()));
    SealingKey::derive(presented.expose().as_bytes(), SEAL_LABEL)
        .seal(pair.as_bytes(), grant.as_str().as_bytes())
}

fn open(presented: &Secret, grant: &portcullis_oauth::GrantId, sealed: &str) -> Option<(Secret, Secret)> {
    let key = SealingKey::derive(presented.expose().as_bytes(), SEAL_LABEL);
    let pair = key.open(sealed, grant.as_str().as_bytes()).ok()?;
    let (successor, access) = std::str::from_utf8(&pair).ok()?.split_once(' ')?;
    Some((Secret::presented(successor), Secret::presented(access)))
}

fn bad_token(reason: Reason, got: &'static str) -> Refusal {
    attempt::refused((Step::RefreshToken, reason), LIVE, got);
    Refusal::new(
        ErrorCode::InvalidGrant,
        "the refresh token is unknown, expired, revoked, or of another client",
    )
}
