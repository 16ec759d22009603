//! `grant_type=client_credentials` (OAuth 2.1 §4.2): a client acts for itself, as a machine, within what it was registered
//! for. Nobody consents, so nothing is refreshed: it asks again.

use portcullis_oauth::{Error, ErrorCode, PrincipalId, ScopeSet, Timestamp};

use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::authorization_request;
use crate::refusal::Refusal;
use crate::store::{Client, MintedAccess, NewGrant, Targets};

pub(super) async fn issue(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let client = request.client.client();
    let machine = client.machine.as_ref().ok_or_else(|| {
        Refusal::new(ErrorCode::UnauthorizedClient, "this client was not registered to act for itself")
    })?;
    let resource = authorization_request::resource(core, client, request.form).await??;
    let scope = scope(client, &resource.scopes, request.form.one("scope")?.unwrap_or_default())?;
    let press = Press::of(core, &resource, request).await?;
    let expires_at = request.now.plus(press.life());
    let token = press.strike(core, request, (machine, &scope, None), expires_at)?;
    let minted = press.minted(&token, &scope, expires_at);
    if !core.machines.mint(machine, &minted, request.now).await? {
        first(core, (client, machine), &minted, request.now).await?;
    }
    Ok(Issued::access((machine.clone(), token), scope, expires_at))
}

/// The registered scope is the ceiling, and what is given when nothing is asked; what has no meaning at the resource is
/// dropped (DC-5).
fn scope(client: &Client, meant: &ScopeSet, text: &str) -> Result<ScopeSet, Error> {
    let invalid = |reason, told: &'static str| {
        attempt::refused((Step::Scope, reason), told, if text.is_empty() { "no scope" } else { text });
        Error::new(ErrorCode::InvalidScope, told)
    };
    let ceiling = client.ceiling().intersection(meant);
    let asked =
        ScopeSet::parse(text).map_err(|error| Error::new(ErrorCode::InvalidScope, error.to_string()))?;
    let known = asked.intersection(meant);
    match (asked.is_empty(), known.is_empty()) {
        (true, _) if ceiling.is_empty() => {
            Err(invalid(Reason::ScopeMissing, "the client is registered for no scope of this resource"))
        }
        (true, _) => Ok(ceiling),
        (false, true) => Err(invalid(
            Reason::ScopeUnknown,
            "none of these scopes has a meaning for a client that acts for itself here",
        )),
        // A28: there is no person whose consent could go further.
        _ if !known.is_subset(&ceiling) => {
            Err(invalid(Reason::ScopeBeyond, "scope goes beyond what the client is registered for"))
        }
        _ => Ok(known),
    }
}

/// The first token for this resource, or the first since its grant ended: lets one stand and mints from it.
async fn first(
    core: &Core,
    (client, machine): (&Client, &PrincipalId),
    minted: &MintedAccess<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let new = NewGrant {
        principal: machine,
        client: &client.id,
        redirect_host: "",
        targets: &Targets::one(minted.resource.clone(), client.ceiling()),
        connections: None,
        may_refresh: false,
        metadata: &client.metadata,
        attempt: None,
    };
    core.machines.let_stand(&new, now).await?;
    if core.machines.mint(machine, minted, now).await? {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::InvalidGrant, "what this client may do has just been ended"))
}
