//! What an authorization request may say (OAuth 2.1 §4.1.1), wherever it arrives: through the browser or pushed (RFC 9126).
//! First its destination is proven, then the rest is judged.

use portcullis_database::DatabaseError;
use portcullis_oauth::{
    CodeChallenge, Destination, Error, ErrorCode, Form, FormError, GrantType, PkceError, RedirectUri,
    RedirectUriError, Resource, ResourceUri, SINGLE_AUTHORIZATION_PARAMETERS, ScopeSet, scopes,
};

use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::store::Client;

/// What a client may have us remember for it.
const MAXIMUM_STATE: usize = 4_096;

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
    pub(crate) resource: ResourceUri,
    pub(crate) scope: ScopeSet,
}

/// Judges all of a request but who asks, where the answer goes and whether a person must be asked.
pub(crate) async fn judge(
    core: &Core,
    client: &Client,
    form: &Form,
) -> Result<Result<Judged, Error>, DatabaseError> {
    let resource = resource(core, client, form).await?;
    Ok(judge_for(client, form, resource))
}

fn judge_for(client: &Client, form: &Form, resource: Result<Resource, Error>) -> Result<Judged, Error> {
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
    let code_challenge = CodeChallenge::from_form(form).map_err(|error| {
        let reason = match error {
            PkceError::ChallengeMissing => Reason::PkceMissing,
            _ => Reason::PkceMalformed,
        };
        attempt::refused((Step::Pkce, reason), "a code_challenge with the method S256", error);
        invalid(error.to_string())
    })?;
    attempt::passed(Step::Pkce, "a code_challenge with the method S256", "that");
    let resource = resource?;
    let scope = scope(client, &resource, one("scope").unwrap_or_default())?;
    Ok(Judged { code_challenge, resource: resource.uri, scope })
}

/// RFC 8707 §2: however it is spelled and however often it is said, one resource; absent, the one that the client is bound
/// to, else the default (DC-2).
pub(crate) async fn resource(
    core: &Core,
    client: &Client,
    form: &Form,
) -> Result<Result<Resource, Error>, DatabaseError> {
    let invalid = |reason, expected: &str, (got, text): (&str, String)| {
        attempt::refused((Step::Resource, reason), expected, got);
        Ok(Err(Error::new(ErrorCode::InvalidTarget, text)))
    };
    let mut named: Option<ResourceUri> = None;
    for value in form.all("resource") {
        let uri = match ResourceUri::parse(value) {
            Ok(uri) => uri,
            Err(error) => {
                return invalid(Reason::ResourceMalformed, "an absolute URI", (value, error.to_string()));
            }
        };
        if named.as_ref().is_some_and(|first| *first != uri) {
            let text = "a request is for one resource: name one".to_owned();
            return invalid(Reason::ResourceSeveral, "one resource", (value, text));
        }
        named = Some(uri);
    }
    let default = || match &client.resources[..] {
        [only] => only.clone(),
        _ => core.registry.aggregate().uri.clone(),
    };
    let uri = named.unwrap_or_else(default);
    let text = "this server protects no such resource, or not for this client".to_owned();
    match core.resources.find(&uri).await? {
        Some(resource) if client.may_reach(&resource.uri) => {
            attempt::passed(Step::Resource, "a resource that this server issues tokens for", &uri);
            Ok(Ok(resource))
        }
        Some(_) => {
            let own = "a resource that this client is registered for";
            invalid(Reason::ResourceNotAllowed, own, (uri.as_str(), text))
        }
        None => {
            let aggregate = &core.registry.aggregate().uri;
            let expected = format!("a resource that this server issues tokens for, such as {aggregate}");
            invalid(Reason::ResourceUnknown, &expected, (uri.as_str(), text))
        }
    }
}

/// DC-5: what has no meaning at this resource is dropped, so that scopes of two never mix (R9068-3-1), and only what is
/// wholly unknown is refused; nothing asked, or nothing but what a sign-in elsewhere would ask, means the client's
/// registered default or the resource's, never everything (OA21-1.4.1-3).
pub(crate) fn scope(client: &Client, resource: &Resource, text: &str) -> Result<ScopeSet, Error> {
    let expected = || format!("scopes of {}: {}", resource.uri, resource.scopes);
    let invalid = |reason, told: &'static str| {
        attempt::refused((Step::Scope, reason), expected(), if text.is_empty() { "no scope" } else { text });
        Error::new(ErrorCode::InvalidScope, told)
    };
    let asked = ScopeSet::parse(text).map_err(|error| {
        attempt::refused((Step::Scope, Reason::ScopeMalformed), "names with spaces between them", text);
        Error::new(ErrorCode::InvalidScope, error.to_string())
    })?;
    let meant = resource.scopes.union(&ScopeSet::from_iter([scopes::OFFLINE_ACCESS]));
    let known = asked.intersection(&meant);
    let registered = client.metadata.scope.intersection(&meant);
    let only_identity = asked.is_subset(&scopes::OPENID.into_iter().collect());
    let given = match (only_identity, known.is_empty()) {
        (_, false) => known,
        (false, true) => {
            return Err(invalid(Reason::ScopeUnknown, "none of these scopes has a meaning at this resource"));
        }
        (true, _) if registered.iter().any(|scope| scope != scopes::OFFLINE_ACCESS) => registered,
        (true, _) if resource.default_scopes.is_empty() => {
            return Err(invalid(
                Reason::ScopeMissing,
                "this resource gives nothing by default: name the scopes",
            ));
        }
        (true, _) => resource.default_scopes.union(&registered),
    };
    let asked = if text.is_empty() { "no scope" } else { text };
    attempt::passed(Step::Scope, expected(), format_args!("{asked}; taken as {given}"));
    Ok(given)
}
