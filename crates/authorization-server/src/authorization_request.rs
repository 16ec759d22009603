//! What an authorization request may say (OAuth 2.1 §4.1.1), wherever it arrives: through the browser or pushed (RFC 9126).
//! First its destination is proven, then the rest is judged.

use portcullis_database::DatabaseError;
use portcullis_oauth::{
    CodeChallenge, Destination, Error, ErrorCode, Form, FormError, GrantType, JwkThumbprint, PkceError,
    RedirectUri, RedirectUriError, Resource, ResourceUri, SINGLE_AUTHORIZATION_PARAMETERS, ScopeSet, scopes,
};

use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::named_resources;
use crate::openid::{self, OpenIdRequest};
use crate::store::{Client, Target, Targets};

/// What a client may have us remember for it.
const MAXIMUM_STATE: usize = 4_096;
/// A page on which more could be ticked would not be read.
const MAXIMUM_RESOURCES: usize = 5;

/// Why nothing may be sent where a request says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unproven {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error("{error}")]
    Address { error: RedirectUriError, asked: String, registered: String },
}

/// Where the answer may go (OA21-4.1.2.1-1): only to what the client registered.
pub(crate) fn prove_destination(client: &Client, form: &Form) -> Result<Destination, Unproven> {
    let asked = form.one("redirect_uri")?;
    let compared = || attempt::compare(&client.metadata.redirect_uris, asked);
    let proven = Destination::prove(&client.metadata.redirect_uris, asked);
    if let Ok(destination) = &proven {
        attempt::passed(Step::RedirectUri, "a redirect URI that the client registered", destination.uri());
    }
    proven.map_err(|error| {
        let reason = match error {
            RedirectUriError::Missing => Reason::RedirectMissing,
            _ => Reason::RedirectMismatch,
        };
        attempt::refused((Step::RedirectUri, reason), compared().expected, compared().got);
        let registered: Vec<&str> = client.metadata.redirect_uris.iter().map(RedirectUri::as_str).collect();
        Unproven::Address {
            error,
            asked: asked.unwrap_or("none").to_owned(),
            registered: registered.join(", "),
        }
    })
}

/// What was asked, judged.
pub(crate) struct Judged {
    pub(crate) code_challenge: CodeChallenge,
    pub(crate) targets: Targets,
    /// What it says of the sign-in itself.
    pub(crate) openid: OpenIdRequest,
    /// The key that the code will be bound to.
    pub(crate) dpop_jkt: Option<JwkThumbprint>,
}

/// Judges all of a request but who asks, where the answer goes and whether a person must be asked.
pub(crate) async fn judge(
    core: &Core,
    client: &Client,
    form: &Form,
) -> Result<Result<Judged, Error>, DatabaseError> {
    let resources = resources(core, client, form).await?;
    Ok(judge_for(core, client, form, resources).and_then(|judged| {
        let dpop_jkt = if core.dpop.reads_those_of(client) { dpop_jkt(form)? } else { None };
        Ok(Judged { dpop_jkt, ..judged })
    }))
}

/// RFC 9449 §10: the key of whoever will redeem the code.
fn dpop_jkt(form: &Form) -> Result<Option<JwkThumbprint>, Error> {
    let named = form.one("dpop_jkt").ok().flatten().map(JwkThumbprint::parse).transpose();
    named.map_err(|error| Error::new(ErrorCode::InvalidRequest, format!("dpop_jkt: {error}")))
}

fn judge_for(
    core: &Core,
    client: &Client,
    form: &Form,
    resources: Result<Vec<Resource>, Error>,
) -> Result<Judged, Error> {
    let invalid = |text: String| Error::new(ErrorCode::InvalidRequest, text);
    form.once_each(&SINGLE_AUTHORIZATION_PARAMETERS).map_err(|error| invalid(error.to_string()))?;
    match form.one("response_type") {
        Ok(Some("code")) => {}
        Ok(Some(_)) => {
            return Err(Error::new(ErrorCode::UnsupportedResponseType, "response_type must be code"));
        }
        _ => return Err(Error::new(ErrorCode::InvalidRequest, "response_type is missing")),
    }
    if form.one("state").ok().flatten().is_some_and(|state| state.len() > MAXIMUM_STATE) {
        return Err(Error::new(ErrorCode::InvalidRequest, "state is longer than 4096 bytes"));
    }
    // A10: nothing is ever fetched or unpacked from here.
    if form.all("request").chain(form.all("request_uri")).next().is_some() {
        return Err(Error::new(ErrorCode::InvalidRequest, "request and request_uri are not offered"));
    }
    if form.one("response_mode").ok().flatten().is_some_and(|mode| mode != "query") {
        return Err(Error::new(ErrorCode::InvalidRequest, "response_mode must be query"));
    }
    if !client.may_use(GrantType::AuthorizationCode) {
        return Err(Error::new(
            ErrorCode::UnauthorizedClient,
            "the client is not registered for authorization_code",
        ));
    }
    let one = |name| form.one(name).ok().flatten();
    let code_challenge = code_challenge(form)?;
    let targets = targets(core, client, &resources?, one("scope").unwrap_or_default())?;
    let openid = OpenIdRequest::read(form)?;
    Ok(Judged { code_challenge, targets, openid, dpop_jkt: None })
}

fn code_challenge(form: &Form) -> Result<CodeChallenge, Error> {
    const EXPECTED: &str = "a code_challenge with the method S256";
    let challenge = CodeChallenge::from_form(form).map_err(|error| {
        let reason = match error {
            PkceError::ChallengeMissing => Reason::PkceMissing,
            _ => Reason::PkceMalformed,
        };
        attempt::refused((Step::Pkce, reason), EXPECTED, error);
        Error::new(ErrorCode::InvalidRequest, error.to_string())
    })?;
    attempt::passed(Step::Pkce, EXPECTED, "that");
    Ok(challenge)
}

/// RFC 8707 §2, where one resource is meant, however it is spelled and however often it is said; absent, the one that the
/// client is bound to, else the default (DC-2).
pub(crate) async fn resource(
    core: &Core,
    client: &Client,
    form: &Form,
) -> Result<Result<Resource, Error>, DatabaseError> {
    match named_resources::one(form.all("resource")) {
        Ok(named) => known(core, client, &named.unwrap_or_else(|| default_of(core, client, form))).await,
        Err(error) => Ok(Err(error)),
    }
}

/// The same where a person is asked: a grant may reach several resources, each with scopes of its own (R8707-2-1).
pub(crate) async fn resources(
    core: &Core,
    client: &Client,
    form: &Form,
) -> Result<Result<Vec<Resource>, Error>, DatabaseError> {
    let mut named = match named_resources::all(form.all("resource")) {
        Ok(named) => named,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(beyond) = named.get(MAXIMUM_RESOURCES) {
        let text = "a request is for five resources at most";
        return Ok(Err(named_resources::too_many("five resources at most", beyond, text)));
    }
    if named.is_empty() {
        named.push(default_of(core, client, form));
    }
    let mut found = Vec::with_capacity(named.len());
    for uri in &named {
        match known(core, client, uri).await? {
            Ok(resource) => found.push(resource),
            Err(error) => return Ok(Err(error)),
        }
    }
    // What is ticked for the aggregate says which connections it reaches; one that is asked for by itself would widen that.
    let aggregate = &core.registry.aggregate().uri;
    let alias = found.iter().find(|resource| resource.alias.is_some());
    match alias.filter(|_| found.iter().any(|resource| resource.uri == *aggregate)) {
        Some(alias) => {
            let text = "name all connections or single ones, not both";
            Ok(Err(named_resources::too_many("all connections, or single ones", &alias.uri, text)))
        }
        None => Ok(Ok(found)),
    }
}

/// What is asked at each of the resources: of the scopes those that have a meaning there, so that those of two never mix
/// (R8707-2.2-2). Who signs in is asked once for them all: `UserInfo` has it where it is one of them, else the first keeps it
/// beside its own.
pub(crate) fn targets(
    core: &Core,
    client: &Client,
    resources: &[Resource],
    text: &str,
) -> Result<Targets, Error> {
    let asked = ScopeSet::parse(text).map_err(|error| {
        attempt::refused((Step::Scope, Reason::ScopeMalformed), "names with spaces between them", text);
        Error::new(ErrorCode::InvalidScope, error.to_string())
    })?;
    let target = |resource: &Resource| {
        let scope = scope(client, resource, (&asked, text))?;
        Ok(Target { resource: resource.uri.clone(), scope })
    };
    let mut targets = resources.iter().map(target).collect::<Result<Vec<_>, Error>>()?;
    let identity = openid::asked(core, client, &asked);
    if let Some(first) = targets.first_mut().filter(|_| !identity.is_empty())
        && !resources.iter().any(openid::is_userinfo)
    {
        first.scope = first.scope.union(&identity);
        attempt::passed(Step::Scope, format_args!("scopes of a sign-in: {}", openid::all()), identity);
    }
    Targets::of(targets).ok_or_else(|| Error::new(ErrorCode::InvalidTarget, "resource is missing"))
}

fn default_of(core: &Core, client: &Client, form: &Form) -> ResourceUri {
    match (&client.resources[..], core.resources.userinfo()) {
        ([only], _) => only.clone(),
        (_, Some(userinfo)) if openid::is_sign_in(form) => userinfo.uri.clone(),
        _ => core.registry.aggregate().uri.clone(),
    }
}

/// The resource of this name, if this client may reach it.
async fn known(
    core: &Core,
    client: &Client,
    uri: &ResourceUri,
) -> Result<Result<Resource, Error>, DatabaseError> {
    let found = core.resources.find(uri).await?;
    let is_there = found.is_some();
    if let Some(resource) = found.filter(|resource| client.may_reach(&resource.uri)) {
        attempt::passed(Step::Resource, "a resource that this server issues tokens for", uri);
        return Ok(Ok(resource));
    }
    if is_there {
        let own = "a resource that this client is registered for";
        attempt::refused((Step::Resource, Reason::ResourceNotAllowed), own, uri);
    } else {
        let aggregate = &core.registry.aggregate().uri;
        let expected = format_args!("a resource that this server issues tokens for, such as {aggregate}");
        attempt::refused((Step::Resource, Reason::ResourceUnknown), expected, uri);
    }
    let text = "this server protects no such resource, or not for this client";
    Ok(Err(Error::new(ErrorCode::InvalidTarget, text)))
}

/// DC-5: what has no meaning at this resource is dropped, so that scopes of two never mix (R9068-3-1), and only what is
/// wholly unknown is refused; nothing asked, or nothing but what a sign-in would ask, means the client's registered default
/// or the resource's, never everything (OA21-1.4.1-3).
fn scope(client: &Client, resource: &Resource, (asked, text): (&ScopeSet, &str)) -> Result<ScopeSet, Error> {
    let expected = || format!("scopes of {}: {}", resource.uri, resource.scopes);
    let shown = if text.is_empty() { "no scope" } else { text };
    let invalid = |reason, told: &'static str| {
        attempt::refused((Step::Scope, reason), expected(), shown);
        Error::new(ErrorCode::InvalidScope, told)
    };
    let staying = ScopeSet::from_iter([scopes::OFFLINE_ACCESS]);
    let meant = resource.scopes.union(&staying);
    let known = asked.intersection(&meant);
    let registered = openid::whole(client.metadata.scope.intersection(&meant));
    let given = if !asked.intersection(&resource.scopes).is_empty() {
        if openid::is_userinfo(resource) && !known.contains(scopes::IDENTITY) {
            let told = "scope lacks openid, without which it means nothing";
            return Err(invalid(Reason::ScopeWithoutOpenid, told));
        }
        known
    } else if !asked.is_subset(&openid::all().union(&staying)) {
        return Err(invalid(Reason::ScopeUnknown, "none of these scopes has a meaning at this resource"));
    } else if !registered.without(&staying).is_empty() {
        registered.union(&known)
    } else if resource.default_scopes.is_empty() {
        return Err(invalid(Reason::ScopeMissing, "this resource gives nothing by default: name the scopes"));
    } else {
        resource.default_scopes.union(&registered).union(&known)
    };
    attempt::passed(Step::Scope, expected(), format_args!("{shown}; taken as {given}"));
    Ok(given)
}
