//! The authorization endpoint (OAuth 2.1 §4.1.1): a request is parsed, judged and stored; what follows reads the stored
//! row alone (A09). Before the destination is proven an error is a page, after it a redirect.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::DatabaseError;
use portcullis_limits::Verdict;
use portcullis_oauth::{
    ClientId, ClientIdUrl, CodeChallenge, Destination, Error, ErrorCode, Form, FormError, GrantType,
    PrincipalId, Resource, ResourceUri, SINGLE_AUTHORIZATION_PARAMETERS, ScopeSet, scopes,
};
use portcullis_web::{Browser, Peer, form};

use crate::Core;
use crate::document::{self, Unidentified};
use crate::page_error::{PageError, Trace, page_or_error};
use crate::store::{Client, ClientOrigin, NewRequest};

/// What a client may have us remember for it.
const MAXIMUM_STATE: usize = 4_096;

/// `GET /oauth/authorize`
pub(crate) async fn by_get(
    State(core): State<Arc<Core>>,
    trace: Trace,
    (browser, peer): (Browser, Peer),
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    page_or_error(&trace, authorize(&core, (&browser, peer), query.as_bytes())).await
}

/// `POST /oauth/authorize` (OA21-3.1-2)
pub(crate) async fn by_post(
    State(core): State<Arc<Core>>,
    trace: Trace,
    (browser, peer, headers): (Browser, Peer, HeaderMap),
    body: Bytes,
) -> Response {
    let page = async {
        let wrong = |_| {
            PageError::told(
                "This request cannot be read",
                "It is not a form.",
                "Go back to the application and try again.",
            )
        };
        form(&headers, &body).map_err(wrong)?;
        authorize(&core, (&browser, peer), &body).await
    };
    page_or_error(&trace, page).await
}

async fn authorize(
    core: &Core,
    (browser, peer): (&Browser, Peer),
    encoded: &[u8],
) -> Result<Response, PageError> {
    if core.authorizations.check(&peer.to_string(), core.clock.now()) != Verdict::Allowed {
        return Err(too_many());
    }
    let form = Form::parse(encoded).map_err(unreadable)?;
    let user = browser.signed_in().await?;
    let signed_in = user.is_some();
    let again = || login_url(&format!("/oauth/authorize?{}", String::from_utf8_lossy(encoded)));
    let asking = (client_id(&form)?, peer);
    let Some(client) = identify(core, asking, user.as_ref().map(|user| &user.principal)).await? else {
        return Ok(see_other(&again()));
    };
    let destination = prove_destination(&client, &form)?;
    let resource = resource(core, &client, &form).await?;
    let request = match judge(&client, &form, (signed_in, resource)) {
        Ok(request) => request,
        // OA21-7.13.2-1: a client that nobody vouches for gets no redirect out of a browser where nobody signed in.
        Err(_) if client.origin != ClientOrigin::Admin && !signed_in => {
            return Ok(see_other(&again()));
        }
        Err(error) => return Ok(refuse(core, (&client, &destination), &form, &error).await),
    };
    let new = NewRequest {
        browser: browser.mark().await?,
        client_id: client.id.clone(),
        redirect_uri: destination.uri().to_string(),
        state: form.one("state").map_err(unreadable)?.map(str::to_owned),
        code_challenge: request.code_challenge,
        resource: request.resource,
        scope: request.scope,
        client_fingerprint: client.metadata.fingerprint(),
    };
    let now = core.clock.now();
    let handle = core.requests.create(&new, now).await?;
    core.note(Event::new(now, Action::AuthorizationRequest, Outcome::Started).through(&client.id)).await;
    let consent = format!("/oauth/consent?request={}", handle.expose());
    Ok(see_other(&if signed_in { consent } else { login_url(&consent) }))
}

/// What the request says who asks; the first thing that is needed.
fn client_id(form: &Form) -> Result<&str, PageError> {
    form.one("client_id").map_err(unreadable)?.ok_or_else(|| {
        PageError::told(
            "This link is incomplete",
            "The application did not say who it is: client_id is missing.",
            "Go back to the application and start to connect again.",
        )
    })
}

/// Who asks. `None`: somebody has to sign in, so that an admin learns who wants to use this client.
async fn identify(
    core: &Core,
    (id, peer): (&str, Peer),
    who: Option<&PrincipalId>,
) -> Result<Option<Client>, PageError> {
    let found = if ClientIdUrl::is_meant_by(id) {
        match (document::current(core, id, peer).await, who) {
            (Ok(client), _) => Some(client),
            (Err(Unidentified::Asked), None) => return Ok(None),
            (Err(unidentified), who) => {
                if let (Unidentified::Asked, Some(who)) = (&unidentified, who) {
                    document::ask_admin(core, id, who).await?;
                }
                unidentified.note(core, id).await;
                return Err(unidentified.into_page(id));
            }
        }
    } else {
        core.clients.find(&ClientId::from(id.to_owned())).await?
    };
    match found.filter(|client| client.disabled_at.is_none()) {
        Some(client) => Ok(Some(client)),
        // DC-18: a person stands before this page; tell them how to go on.
        None => Err(PageError::told(
            "This application is not known here",
            "It uses an identity that this server never gave or has forgotten.",
            "In the application, remove this server and its stored login, then add it again: it will register anew.",
        )
        .with_detail(id.chars().take(200).collect::<String>())),
    }
}

/// Where the answer may go (OA21-4.1.2.1-1). Until that is known nothing is redirected.
fn prove_destination(client: &Client, form: &Form) -> Result<Destination, PageError> {
    let redirect_uri = form.one("redirect_uri").map_err(unreadable)?;
    Destination::prove(&client.metadata.redirect_uris, redirect_uri).map_err(|error| {
        let registered: Vec<&str> = client.metadata.redirect_uris.iter().map(portcullis_oauth::RedirectUri::as_str).collect();
        let asked = redirect_uri.unwrap_or("none");
        PageError::told(
            "This application asks to be answered at an address that is not its own",
            format!("Nothing was sent there: {error}."),
            "If you are its developer, register exactly the address that it sends. Otherwise do not use this link.",
        )
        .with_detail(format!("asked for: {asked}\nregistered: {}", registered.join(", ")))
    })
}

/// What was asked, judged.
struct Judged {
    code_challenge: CodeChallenge,
    resource: ResourceUri,
    scope: ScopeSet,
}

fn judge(
    client: &Client,
    form: &Form,
    (signed_in, resource): (bool, Result<Resource, Error>),
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
    let scope = scope(client, &resource, one("scope").unwrap_or_default())?;
    // OIDC-C-3-1: consent is asked every time, so silence is never enough.
    if one("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "none")) {
        let code = if signed_in { ErrorCode::ConsentRequired } else { ErrorCode::LoginRequired };
        return Err(Error::new(code, "this server always asks the user"));
    }
    Ok(Judged { code_challenge, resource: resource.uri, scope })
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
    let default = || match &client.resources[..] {
        [only] => only.clone(),
        _ => core.registry.aggregate().uri,
    };
    let uri = named.unwrap_or_else(default);
    match core.resources.find(&uri).await? {
        Some(resource) if client.may_reach(&resource.uri) => Ok(Ok(resource)),
        _ => invalid("this server protects no such resource, or not for this client".to_owned()),
    }
}

/// DC-5: what has no meaning at this resource is dropped, so that scopes of two never mix (R9068-3-1), and only what is
/// wholly unknown is refused; nothing asked, or nothing but what a sign-in elsewhere would ask, means the client's
/// registered default or the resource's, never everything (OA21-1.4.1-3).
pub(crate) fn scope(client: &Client, resource: &Resource, text: &str) -> Result<ScopeSet, Error> {
    let invalid = |text| Error::new(ErrorCode::InvalidScope, text);
    let asked =
        ScopeSet::parse(text).map_err(|error| Error::new(ErrorCode::InvalidScope, error.to_string()))?;
    let meant = resource.scopes.union(&ScopeSet::from_iter([scopes::OFFLINE_ACCESS]));
    let known = asked.intersection(&meant);
    let registered = client.metadata.scope.intersection(&meant);
    let only_identity = asked.is_subset(&scopes::OPENID.into_iter().collect());
    match (only_identity, known.is_empty()) {
        (_, false) => Ok(known),
        (false, true) => Err(invalid("none of these scopes has a meaning at this resource")),
        (true, _) if registered.iter().any(|scope| scope != scopes::OFFLINE_ACCESS) => Ok(registered),
        (true, _) if resource.default_scopes.is_empty() => {
            Err(invalid("this resource gives nothing by default: name the scopes"))
        }
        (true, _) => Ok(resource.default_scopes.union(&registered)),
    }
}

/// An error response (OA21-4.1.2.1-3): to the proven destination, with `state` and `iss`.
async fn refuse(
    core: &Core,
    (client, destination): (&Client, &Destination),
    form: &Form,
    error: &Error,
) -> Response {
    let event = Event::new(core.clock.now(), Action::AuthorizationRequest, Outcome::Refused);
    core.note(event.because(error.code.as_str()).through(&client.id)).await;
    error_response(core, destination, form.one("state").ok().flatten(), error)
}

/// `error`, `error_description`, `state` byte for byte (OA21-4.1.2-2), and `iss` on every answer (R9207-2-1).
pub(crate) fn error_response(
    core: &Core,
    destination: &Destination,
    state: Option<&str>,
    error: &Error,
) -> Response {
    let mut parameters = vec![("error", error.code.as_str()), ("error_description", &*error.description)];
    parameters.extend(state.map(|state| ("state", state)));
    parameters.push(("iss", core.public_url().as_str()));
    see_other(&destination.location(&parameters))
}

/// 303: a browser follows with GET and never sends the form's body on (OA21-7.5.3-1).
pub(crate) fn see_other(location: &str) -> Response {
    match axum::http::HeaderValue::from_str(location) {
        Ok(value) => (StatusCode::SEE_OTHER, [(LOCATION, value)]).into_response(),
        Err(error) => {
            tracing::error!(cause = ?error, "a redirect could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The sign-in page, and where to go on afterwards.
pub(crate) fn login_url(return_to: &str) -> String {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", return_to).finish();
    format!("/login?{query}")
}

/// Each request is a row that waits for half an hour: one source may not pile them up.
fn too_many() -> PageError {
    PageError::told(
        "Too many requests",
        "Applications at your network address have asked for access very often within a minute.",
        "Wait a minute, then go back to the application and try again.",
    )
    .with_status(StatusCode::TOO_MANY_REQUESTS)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unreadable(error: FormError) -> PageError {
    PageError::told(
        "This request cannot be read",
        format!("{error}."),
        "Go back to the application and start to connect again. If it happens again, its developer has to mend it.",
    )
}
