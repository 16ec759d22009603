//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): a client trades an access token, its own or one
//! for the resource that it serves, for a narrower one. Never more scope, another audience or a longer life than the subject token has (R8693-2.2.2-1).

use portcullis_oauth::{Actor, ErrorCode, Form, ResourceUri, ScopeSet, Secret, TokenType};

use super::minting::within_limits;
use super::press::Press;
use super::{Issued, TokenRequest};
use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::named_resources;
use crate::refusal::Refusal;
use crate::store::{Exchange, TokenRow};

pub(super) async fn exchange(core: &Core, request: &TokenRequest<'_>) -> Result<Issued, Refusal> {
    let asked = Asked::read(request.form)?;
    let subject = subject(core, request, &asked.subject).await?;
    let actor = actor(core, request, &asked, &subject).await?;
    let resource = target(core, request, &subject).await?;
    let scope = scope(request.form, &subject)?;
    let press = Press::find(core, &resource, request).await?.ok_or_else(unacceptable)?;
    let expires_at = request.now.plus(press.life()).min(subject.expires_at);
    let holder = (&subject.principal_id, &scope, Some(&actor));
    let token = press.strike(core, request, holder, expires_at)?;
    let client = &request.client.client().id;
    let new = Exchange {
        access: press.minted(&token, &scope, expires_at),
        subject: &asked.subject.hash(),
        grant: &subject.grant_id,
        issued_to: (subject.client_id != *client).then_some(client),
        actor: &actor,
    };
    if !core.access_tokens.exchange(&new, request.now).await? {
        return Err(unacceptable());
    }
    let held = (subject.principal_id, token);
    Ok(Issued { exchanged: Some(TokenType::AccessToken), ..Issued::access(held, scope, expires_at) })
}

/// The tokens of the request, whose types fit (R8693-2.1-1).
struct Asked {
    subject: Secret,
    actor: Option<Secret>,
}

impl Asked {
    fn read(form: &Form) -> Result<Self, Refusal> {
        let subject = token(form, ("subject_token", "subject_token_type"))?;
        let subject = subject.ok_or_else(|| invalid("subject_token is missing"))?;
        let requested = form.one("requested_token_type")?;
        if requested.is_some_and(|identifier| TokenType::parse(identifier).is_none()) {
            return Err(invalid("requested_token_type must be the access token's, or absent"));
        }
        Ok(Self { subject, actor: token(form, ("actor_token", "actor_token_type"))? })
    }
}

/// A token and its type: both or neither, and a type that is taken here.
fn token(form: &Form, (name, type_name): (&str, &str)) -> Result<Option<Secret>, Refusal> {
    match (form.one(name)?, form.one(type_name)?) {
        (None, None) => Ok(None),
        (Some(token), Some(kind)) if TokenType::parse(kind).is_some() => Ok(Some(Secret::presented(token))),
        (Some(_), Some(_)) => Err(invalid(format!("{type_name} must be the access token's"))),
        (Some(_), None) => Err(invalid(format!("{type_name} is missing"))),
        (None, Some(_)) => Err(invalid(format!("{type_name} without {name} means nothing"))),
    }
}

/// R8693-2.1-2: live in every respect, and issued to this client or for the resource that it serves.
async fn subject(core: &Core, request: &TokenRequest<'_>, token: &Secret) -> Result<TokenRow, Refusal> {
    let row = live(core, request, token).await?;
    let client = &request.client.client().id;
    if row.client_id == *client {
        return Ok(row);
    }
    let served = core.resources.of_client(client).await?;
    let is_for_it = served.is_some_and(|resource| resource.what.uri == row.resource);
    if is_for_it { Ok(row) } else { Err(unacceptable()) }
}

/// The token's row, if the token is good for anything.
async fn live(core: &Core, request: &TokenRequest<'_>, token: &Secret) -> Result<TokenRow, Refusal> {
    let row = core.access_tokens.find(&token.hash()).await?.ok_or_else(unacceptable)?;
    if let Some(reason) = row.dead_because(request.now) {
        let expected = "a token that is good for something";
        attempt::refused((Step::SubjectToken, Reason::GrantEnded), expected, reason);
        return Err(unacceptable());
    }
    // Its own token is worth to a client what it is worth elsewhere: nothing without the key that it is bound to. The server
    // that a token was presented to saw that proof, and does not have the key.
    let is_its_own = row.client_id == request.client.client().id;
    if is_its_own && !request.proves(row.dpop_jkt.as_ref()) {
        return Err(unacceptable());
    }
    Ok(row)
}

/// R8693-4.1-1: who acts from now on, before those who acted until now: the principal of the actor token, else the client.
async fn actor(
    core: &Core,
    request: &TokenRequest<'_>,
    asked: &Asked,
    subject: &TokenRow,
) -> Result<Actor, Refusal> {
    let sub = match &asked.actor {
        None => request.client.client().id.to_string(),
        Some(token) => {
            let row = live(core, request, token).await?;
            if row.client_id != request.client.client().id {
                return Err(unacceptable());
            }
            if row.actor()?.is_some() {
                return Err(invalid("actor_token was exchanged itself: present the actor's own"));
            }
            row.principal_id.to_string()
        }
    };
    let actor = Actor::new(sub, subject.actor()?);
    if actor.length() > Actor::MAXIMUM_CHAIN {
        return Err(invalid("this token was exchanged too often"));
    }
    Ok(actor)
}

/// One target: the subject token's own, or a connection below the aggregate that its grant reaches.
async fn target(core: &Core, request: &TokenRequest<'_>, subject: &TokenRow) -> Result<ResourceUri, Refusal> {
    let named = request.form.all("resource").chain(request.form.all("audience"));
    let uri = named_resources::one(named)?.unwrap_or_else(|| subject.resource.clone());
    within_limits(request, &uri)?;
    if uri == subject.resource || reaches(core, subject, &uri).await? {
        return Ok(uri);
    }
    let text = "the subject token does not reach this resource";
    attempt::refused((Step::Resource, Reason::ResourceNotGranted), &subject.resource, text);
    Err(Refusal::new(ErrorCode::InvalidTarget, text))
}

async fn reaches(core: &Core, subject: &TokenRow, uri: &ResourceUri) -> Result<bool, Refusal> {
    let alias = core.registry.find(uri).and_then(|resource| resource.alias);
    let (Some(alias), true) = (alias, subject.resource == core.registry.aggregate().uri) else {
        return Ok(false);
    };
    let owned = core.connections.connections_of(&subject.principal_id).await;
    let owned = owned.map_err(portcullis_oauth::Error::internal)?;
    let Some(connection) = owned.into_iter().find(|connection| connection.alias == alias) else {
        return Ok(false);
    };
    Ok(subject.connections().reach(&connection.id))
}

fn scope(form: &Form, subject: &TokenRow) -> Result<ScopeSet, Refusal> {
    let asked = ScopeSet::parse(form.one("scope")?.unwrap_or_default());
    let asked = asked.map_err(|error| Refusal::new(ErrorCode::InvalidScope, error.to_string()))?;
    if asked.is_empty() {
        return Ok(subject.scope.clone());
    }
    if !asked.is_subset(&subject.scope) {
        attempt::refused(
            (Step::Scope, Reason::ScopeBeyond),
            format_args!("some of {}", subject.scope),
            &asked,
        );
        return Err(Refusal::new(ErrorCode::InvalidScope, "scope goes beyond the subject token's"));
    }
    Ok(asked)
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, text)
}

/// RFC 8693 §2.2.2: whatever is wrong with a token, one answer.
fn unacceptable() -> Refusal {
    let expected = "a token that was issued to this client or for its resource";
    attempt::unless_refused((Step::SubjectToken, Reason::TokenUnknown), expected, "another one, or none");
    invalid(
        "the token is unknown, expired, revoked, or was issued neither to this client nor for its resource",
    )
}
