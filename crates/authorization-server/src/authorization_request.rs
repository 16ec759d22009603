//! What an authorization request may say (OAuth 2.1 §4.1.1), wherever it arrives: through the browser or pushed (RFC 9126).
//! First its destination is proven, then the rest is judged.

use portcullis_database::DatabaseError;
use portcullis_oauth::{
    CodeChallenge, Destination, Error, ErrorCode, Form, FormError, GrantType, JwkThumbprint, RedirectUri,
    RedirectUriError, Resource, ResourceUri, SINGLE_AUTHORIZATION_PARAMETERS, ScopeSet, scopes,
};

use crate::Core;
use crate::openid::{self, OpenIdRequest};
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
    Destination::prove(&client.metadata.redirect_uris, asked).map_err(|error| {
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
    let resource = resource(core, client, form).await?;
    Ok(judge_for(core, client, form, resource).and_then(|judged| {
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
    resource: Result<Resource, Error>,
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
    let code_challenge = CodeChallenge::from_form(form).map_err(|error| invalid(error.to_string()))?;
    let resource = resource?;
    let scope = scope(core, client, &resource, one("scope").unwrap_or_default())?;
    let openid = OpenIdRequest::read(form)?;
    Ok(Judged { code_challenge, resource: resource.uri, scope, openid, dpop_jkt: None })
}

/// RFC 8707 §2: however it is spelled and however often it is said, one resource; absent, the one that the client is bound
/// to, else the default (DC-2).
pub(crate) async fn resource(
    core: &Core,
    client: &Client,
    form: &Form,
) -> Result<Result<Resource, Error>, DatabaseError> {
    let invalid = |text: String| Ok(Err(Error::new(ErrorCode::InvalidTarget, text)));
    let mut named: Option<ResourceUri> = None;
    for value in form.all("resource") {
        let uri = match ResourceUri::parse(value) {
            Ok(uri) => uri,
            Err(error) => return invalid(error.to_string()),
        };
        if named.as_ref().is_some_and(|first| *first != uri) {
            return invalid("a request is for one resource: name one".to_owned());
        }
        named = Some(uri);
    }
    let default = || match (&client.resources[..], core.resources.userinfo()) {
        ([only], _) => only.clone(),
        (_, Some(userinfo)) if openid::is_sign_in(form) => userinfo.uri.clone(),
        _ => core.registry.aggregate().uri.clone(),
    };
    let uri = named.unwrap_or_else(default);
    match core.resources.find(&uri).await? {
        Some(resource) if client.may_reach(&resource.uri) => Ok(Ok(resource)),
        _ => invalid("this server protects no such resource, or not for this client".to_owned()),
    }
}

/// DC-5: what has no meaning at this resource is dropped, so that scopes of two never mix (R9068-3-1), and only what is
/// wholly unknown is refused; nothing asked, or nothing but what a sign-in elsewhere would ask, means the client's
/// registered default or the resource's, never everything (OA21-1.4.1-3). Who signs in is asked beside all that, where
/// OpenID Connect is on.
pub(crate) fn scope(
    core: &Core,
    client: &Client,
    resource: &Resource,
    text: &str,
) -> Result<ScopeSet, Error> {
    let invalid = |text| Error::new(ErrorCode::InvalidScope, text);
    let asked =
        ScopeSet::parse(text).map_err(|error| Error::new(ErrorCode::InvalidScope, error.to_string()))?;
    let staying = ScopeSet::from_iter([scopes::OFFLINE_ACCESS]);
    let meant = resource.scopes.union(&staying);
    let known = asked.intersection(&meant).union(&openid::asked(core, &asked));
    if !asked.intersection(&resource.scopes).is_empty() {
        let is_whole = !openid::is_userinfo(resource) || known.contains(scopes::IDENTITY);
        return if is_whole {
            Ok(known)
        } else {
            Err(invalid("scope lacks openid, without which it means nothing"))
        };
    }
    if !asked.is_subset(&openid::all().union(&staying)) {
        return Err(invalid("none of these scopes has a meaning at this resource"));
    }
    let registered = openid::whole(client.metadata.scope.intersection(&meant));
    let default = match registered.without(&staying).is_empty() {
        false => registered,
        true if resource.default_scopes.is_empty() => {
            return Err(invalid("this resource gives nothing by default: name the scopes"));
        }
        true => resource.default_scopes.union(&registered),
    };
    Ok(default.union(&known))
}
