//! `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523 §2.1) with an identity assertion (ID-JAG §4.4): an
//! identity provider that an admin trusts vouches for a user, a client and a resource. Nobody is asked, since the
//! enterprise decided; nothing is refreshed, since its next assertion decides anew (IDJAG-4.4.3-1). The user sees the
//! client on the start page and can end it; then nothing more is given to it until the user says so.

use std::sync::Arc;

use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::jose::{ClientKeys, IdJag, IdJagClaims, IdJagError, JwkSet};
use portcullis_oauth::{Error, ErrorCode, PrincipalId, Resource, ResourceUri, ScopeSet, scopes};

use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::key_sets::Published;
use crate::openid;
use crate::refusal::Refusal;
use crate::store::{ENDED_BY_USER, Standing, TrustedIssuer, Vouched};

const GOOD: &str = "an assertion in order, of a trusted identity provider, about somebody who is known here";

pub(super) async fn issue(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let assertion = request.form.one("assertion")?;
    let assertion =
        assertion.ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, "assertion is missing"))?;
    let (claims, issuer) = match verify(core, request, assertion).await? {
        Ok(verified) => verified,
        // R7523-3.1-1
        Err(error) => {
            let why = match error {
                IdJagError::Issuer => Reason::IssuerUntrusted,
                _ => Reason::AssertionInvalid,
            };
            return Err(refuse(core, request, (why, error.as_str()), error.to_string()).await);
        }
    };
    let principal = match person(core, &claims, &issuer).await? {
        Ok(principal) => principal,
        Err((why, told)) => return Err(refuse(core, request, why, told.to_owned()).await),
    };
    attempt::person(&principal);
    attempt::passed(Step::Assertion, GOOD, &issuer.id.issuer);
    let resource = resource(core, request, (&principal, &claims)).await?;
    let scope = scope(request.form.one("scope")?.unwrap_or_default(), claims.scope.as_ref(), &resource)?;
    let client = request.client.client();
    let vouched =
        Vouched { principal: &principal, client: &client.id, resource: &resource.uri, issuer: &issuer.id };
    if !stands(core, request, vouched, &scope).await? {
        let told = "the user ended this client's access and has not allowed it again".to_owned();
        return Err(refuse(core, request, (Reason::KeptAway, ENDED_BY_USER), told).await);
    }
    let press = Press::of(core, &resource, request).await?;
    let expires_at = request.now.plus(press.life());
    let token = press.strike(core, request, (&principal, &scope, None), expires_at)?;
    if !core.enterprise_grants.mint(vouched, &press.minted(&token, &scope, expires_at), request.now).await? {
        return Err(Refusal::new(ErrorCode::InvalidGrant, "what this assertion gives has just been ended"));
    }
    Ok(Issued::access((principal, token), scope, expires_at))
}

/// IDJAG-3-1, IDJAG-8.3-1: of an issuer that an admin named, for the tenant that was named with it, never of our own.
async fn verify(
    core: &Core,
    request: &TokenRequest<'_>,
    assertion: &str,
) -> Result<Result<(IdJagClaims, TrustedIssuer), IdJagError>, Refusal> {
    let assertion = match IdJag::parse(assertion) {
        Ok(assertion) => assertion,
        Err(error) => return Ok(Err(error)),
    };
    if assertion.issuer() == core.public_url().as_str() {
        return Ok(Err(IdJagError::Own));
    }
    let Some(issuer) = core.trusted_issuers.find(assertion.issuer(), assertion.tenant()).await? else {
        return Ok(Err(IdJagError::Issuer));
    };
    let client = &request.client.client().id;
    let keys: Option<Arc<JwkSet>> = match &issuer.keys {
        ClientKeys::Set(keys) => Some(Arc::new(keys.clone())),
        ClientKeys::Uri(uri) => {
            // An admin named the URL, so nobody's attempts are counted against an address.
            let published = Published { uri, client, peer: None };
            core.key_sets.get(core, published, assertion.token(), request.now).await
        }
    };
    let Some(keys) = keys else { return Ok(Err(IdJagError::Signature)) };
    let claims = assertion.verify(&keys, (core.public_url(), client), request.key(), request.now);
    Ok(claims.map(|claims| (claims, issuer)))
}

/// The user whom the issuer means: by its own name for them; by a verified address only where an admin opted in, and then
/// once (IDJAG-3-1).
async fn person(
    core: &Core,
    claims: &IdJagClaims,
    issuer: &TrustedIssuer,
) -> Result<Result<PrincipalId, ((Reason, &'static str), &'static str)>, Refusal> {
    let told = "assertion is about nobody who is known here: an administrator has to link the user";
    let mut found = core.trusted_issuers.user(&issuer.id, &claims.subject).await?;
    if let (None, true, Some(email)) = (&found, issuer.links_by_email, &claims.verified_email) {
        found = core.trusted_issuers.link_by_email(&issuer.id, (&claims.subject, email)).await?;
    }
    let Some(principal) = found else {
        return Ok(Err(((Reason::UserNotLinked, "identity_unknown"), told)));
    };
    let user = core.users.find(&principal).await?.filter(|user| user.disabled_at.is_none());
    Ok(user.map(|user| user.id).ok_or(((Reason::UserDisabled, "identity_disabled"), told)))
}

/// IDJAG-4.4.1-3, DC-25: what the assertion names, in whatever spelling, else the default: nobody vouched for anything else
/// that the request may name. And something that there is, for this client and for this user.
async fn resource(
    core: &Core,
    request: &TokenRequest<'_>,
    (principal, claims): (&PrincipalId, &IdJagClaims),
) -> Result<Resource, Refusal> {
    let refused = |text: &'static str| Refusal::new(ErrorCode::InvalidTarget, text);
    let client = request.client.client();
    let default = || match &client.resources[..] {
        [only] => only.clone(),
        _ => core.registry.aggregate().uri.clone(),
    };
    let uri = claims.resource.clone().unwrap_or_else(default);
    if request.form.all("resource").any(|named| ResourceUri::parse(named).ok().as_ref() != Some(&uri)) {
        return Err(refused("the assertion is for another resource"));
    }
    let found = core.resources.find(&uri).await?;
    let found = found.filter(|found| !openid::is_userinfo(found) && client.may_reach(&uri));
    let found =
        found.ok_or_else(|| refused("this server protects no such resource, or not for this client"))?;
    if let Some(alias) = &found.alias {
        let owned = core.connections.connections_of(principal).await.map_err(Error::internal)?;
        if !owned.iter().any(|connection| connection.alias == *alias) {
            return Err(refused("the user has no such connection"));
        }
    }
    Ok(found)
}

/// IDJAG-4.4.1-3: the request may narrow what the assertion names; what has no meaning at the resource is dropped (DC-5). An
/// assertion that names no scope vouches for what the resource gives by default.
fn scope(asked: &str, vouched: Option<&ScopeSet>, resource: &Resource) -> Result<ScopeSet, Error> {
    let invalid = |text: &'static str| {
        let shown = if asked.is_empty() { "no scope" } else { asked };
        attempt::refused((Step::Scope, Reason::ScopeBeyond), text, shown);
        Error::new(ErrorCode::InvalidScope, text)
    };
    // Administration is given by an administrator's own consent, whatever an identity provider says of them.
    let admin = ScopeSet::from_iter(scopes::ADMIN);
    let ceiling = vouched.unwrap_or(&resource.default_scopes).intersection(&resource.scopes).without(&admin);
    if ceiling.is_empty() {
        return Err(invalid("the assertion vouches for no scope of this resource"));
    }
    let asked =
        ScopeSet::parse(asked).map_err(|error| Error::new(ErrorCode::InvalidScope, error.to_string()))?;
    if asked.is_empty() {
        return Ok(ceiling);
    }
    let kept = asked.intersection(&ceiling);
    if kept.is_empty() { Err(invalid("the assertion vouches for none of these scopes")) } else { Ok(kept) }
}

/// Sees to it that a grant stands that covers these scopes. `false`: the user ended the last one.
async fn stands(
    core: &Core,
    request: &TokenRequest<'_>,
    vouched: Vouched<'_>,
    scope: &ScopeSet,
) -> Result<bool, Refusal> {
    match core.enterprise_grants.find(vouched).await? {
        Standing::Refused => return Ok(false),
        Standing::Nothing => {
            let metadata = &request.client.client().metadata;
            core.enterprise_grants.let_stand(vouched, (scope, metadata), request.now).await?;
        }
        Standing::Grant(grant, covered) if !scope.is_subset(&covered) => {
            core.enterprise_grants.widen((&grant, vouched.resource), scope).await?;
        }
        Standing::Grant(..) => {}
    }
    Ok(true)
}

/// `why` for the attempt's trace and, in its own word, for the paper trail.
async fn refuse(
    core: &Core,
    request: &TokenRequest<'_>,
    (why, reason): (Reason, &'static str),
    told: String,
) -> Refusal {
    attempt::refused((Step::Assertion, why), GOOD, &told);
    let event = Event::new(request.now, Action::IdentityAssertion, Outcome::Refused).because(reason);
    core.note(event.through(&request.client.client().id)).await;
    Refusal::new(ErrorCode::InvalidGrant, told)
}
