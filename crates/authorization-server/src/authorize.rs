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
    ClientId, ClientIdUrl, Destination, Error, ErrorCode, Form, FormError, PrincipalId, REQUEST_URI_PREFIX,
    Seconds, Secret, SecretHash,
};
use portcullis_web::{Browser, Peer, SignedIn, form};

use crate::Core;
use crate::attempt::{self, AttemptStage, Reason, Step};
use crate::authorization_request::{Judged, Unproven, judge, prove_destination};
use crate::document::{self, Unidentified};
use crate::page_error::{PageError, Trace};
use crate::store::{Client, ClientOrigin, NewRequest};

/// `GET /oauth/authorize`
pub(crate) async fn by_get(
    State(core): State<Arc<Core>>,
    trace: Trace,
    (browser, peer): (Browser, Peer),
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let page = authorize(&core, (&browser, peer), query.as_bytes());
    attempt::page(&core, AttemptStage::Authorize, (&trace, peer), Box::pin(page)).await
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
    attempt::page(&core, AttemptStage::Authorize, (&trace, peer), Box::pin(page)).await
}

async fn authorize(
    core: &Core,
    (browser, peer): (&Browser, Peer),
    encoded: &[u8],
) -> Result<Response, PageError> {
    let user = browser.signed_in().await?;
    // Who is known has a share of their own, and pays for nobody else behind their address.
    let asking = user.as_ref().map_or_else(|| peer.to_string(), |user| user.principal.to_string());
    if let Verdict::Refused { retry_after } = core.authorizations.check(&asking, core.clock.now()) {
        return Err(too_many(retry_after));
    }
    let front = Form::parse(encoded).map_err(unreadable)?;
    let signed_in = user.is_some();
    if let Some(user) = &user {
        attempt::person(&user.principal);
    }
    let again = || login_url(&format!("/oauth/authorize?{}", String::from_utf8_lossy(encoded)));
    let asking = (client_id(&front)?, peer);
    // On the heap, since a document may have to be read first.
    let identified = Box::pin(identify(core, asking, user.as_ref().map(|user| &user.principal)));
    let Some(client) = identified.await? else { return Ok(see_other(&again())) };
    let asked = read(core, client, front).await?;
    let Asked { form, client, destination, .. } = &asked;
    let request = match asked.judge(core, user.as_ref()).await? {
        Ok(request) => request,
        // OA21-7.13.2-1: a client that nobody vouches for gets no redirect out of a browser where nobody signed in.
        Err(error) if client.origin != ClientOrigin::Admin && !signed_in => {
            attempt::failed(&error);
            return Ok(see_other(&again()));
        }
        Err(error) => return Ok(refuse(core, (client, destination), form, &error).await),
    };
    let demand = request.openid.demand(user.as_ref());
    let may_answer = user.as_ref().is_some_and(|sign_in| demand.is_met(sign_in, core.clock.now()));
    attempt::passed(
        Step::Session,
        "a browser that is signed in, or signs in next",
        session(signed_in, may_answer),
    );
    let new = NewRequest {
        attempt: attempt::current(),
        browser: browser.mark().await?,
        client_id: client.id.clone(),
        redirect_uri: destination.uri().to_string(),
        state: form.one("state").map_err(unreadable)?.map(str::to_owned),
        code_challenge: request.code_challenge,
        targets: request.targets,
        pushed: asked.pushed.clone(),
        client_fingerprint: client.metadata.fingerprint(),
        openid: request.openid,
        demand,
        dpop_jkt: request.dpop_jkt,
    };
    let now = core.clock.now();
    let handle = core.requests.create(&new, now).await?;
    core.note(Event::new(now, Action::AuthorizationRequest, Outcome::Started).through(&client.id)).await;
    let consent = format!("/oauth/consent?request={}", handle.expose());
    Ok(see_other(&if may_answer { consent } else { login_url(&consent) }))
}

/// Who sits at the browser when the request comes.
const fn session(signed_in: bool, may_answer: bool) -> &'static str {
    match (signed_in, may_answer) {
        (true, true) => "somebody who is signed in",
        (true, false) => "somebody who has to sign in anew, as the request asks",
        (false, _) => "nobody yet, who signs in next",
    }
}

/// A request whose client and destination are known: from here on an error is a redirect.
struct Asked {
    /// The parameters that count: those that were pushed, if any were.
    form: Form,
    client: Client,
    destination: Destination,
    pushed: Option<SecretHash>,
}

/// For what is asked, and where the answer may go. Until that is known nothing is redirected (OA21-4.1.2.1-1).
async fn read(core: &Core, client: Client, front: Form) -> Result<Asked, PageError> {
    let (form, pushed) = match pushed_handle(&front)? {
        // R9126-4-1: beside the handle and client_id, nothing of the front channel counts.
        Some(handle) => {
            let found = core.pushed_requests.find(&handle, &client.id, core.clock.now()).await?;
            let found = found.ok_or_else(pushed_is_over)?;
            attempt::joins(found.attempt.as_ref());
            (Form::parse(found.parameters.as_bytes()).map_err(unreadable)?, Some(handle.hash()))
        }
        None => (front, None),
    };
    let destination = prove_destination(&client, &form).map_err(|error| match error {
        Unproven::Form(error) => unreadable(error),
        Unproven::Address { error, asked, registered } => PageError::told(
            "This application asks to be answered at an address that is not its own",
            format!("Nothing was sent there: {error}."),
            "If you are its developer, register exactly the address that it sends. Otherwise do not use this link.",
        )
        .with_detail(format!("asked for: {asked}\nregistered: {registered}")),
    })?;
    Ok(Asked { form, client, destination, pushed })
}

/// What the request says who asks; the first thing that is needed.
fn client_id(form: &Form) -> Result<&str, PageError> {
    form.one("client_id").map_err(unreadable)?.ok_or_else(|| {
        attempt::refused((Step::Client, Reason::ClientMissing), "client_id", "nothing");
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
                attempt::unidentified_client(&unidentified, id);
                return Err(unidentified.into_page(id));
            }
        }
    } else {
        core.clients.find(&ClientId::from(id.to_owned())).await?
    };
    match attempt::known_client(found, id) {
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

/// The handle of a request that was pushed here. Any other `request_uri` is judged, and refused, like the rest (A10).
fn pushed_handle(form: &Form) -> Result<Option<Secret>, PageError> {
    let uri = form.one("request_uri").map_err(unreadable)?;
    Ok(uri.and_then(|uri| uri.strip_prefix(REQUEST_URI_PREFIX)).map(Secret::presented))
}

impl Asked {
    async fn judge(
        &self,
        core: &Core,
        user: Option<&SignedIn>,
    ) -> Result<Result<Judged, Error>, DatabaseError> {
        let must_push = core.settings.require_pushed_authorization_requests
            || self.client.metadata.require_pushed_authorization_requests;
        if must_push && self.pushed.is_none() {
            // R9126-5-1
            let text = "this request must be pushed first (RFC 9126)";
            attempt::refused(
                (Step::Request, Reason::PushRequired),
                "a request_uri of ours",
                "the request itself",
            );
            return Ok(Err(Error::new(ErrorCode::InvalidRequest, text)));
        }
        let judged = judge(core, &self.client, &self.form).await?;
        Ok(judged.and_then(|request| match &request.openid {
            openid if openid.is_silent => {
                // OIDC-C-3-1: consent is asked every time, so silence is never enough.
                let demand = openid.demand(user);
                let signed_in = user.is_some_and(|sign_in| demand.is_met(sign_in, core.clock.now()));
                let code = if signed_in { ErrorCode::ConsentRequired } else { ErrorCode::LoginRequired };
                let text = "this server always asks the user";
                let got = format_args!("{text}, and the request has prompt=none");
                let expected = "a request that lets the user be asked";
                attempt::refused((Step::Session, Reason::SignInRequired), expected, got);
                Err(Error::new(code, text))
            }
            _ => Ok(request),
        }))
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
    attempt::failed(error);
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

fn pushed_is_over() -> PageError {
    attempt::refused(
        (Step::Request, Reason::PushedOver),
        "a request that this client pushed within the last 90 seconds, and that nobody decided about",
        "none of that handle",
    );
    PageError::told(
        "This request is over",
        "The application prepared it for a minute and a half and for one use; it was used, took too long, or is another \
         application's.",
        "Go back to the application and start to connect again.",
    )
}

/// Each request is a row that waits for half an hour: one source may not pile them up.
fn too_many(retry_after: Seconds) -> PageError {
    attempt::refused((Step::Limit, Reason::TooMany), "fewer requests a minute", "more");
    PageError::told(
        "Too many requests",
        "Applications have asked for access very often within a minute, in your name or from your network address.",
        "Wait a minute, then go back to the application and try again.",
    )
    .with_status(StatusCode::TOO_MANY_REQUESTS)
    .with_retry_after(u64::try_from(retry_after.0).unwrap_or(1).max(1))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unreadable(error: FormError) -> PageError {
    PageError::told(
        "This request cannot be read",
        format!("{error}."),
        "Go back to the application and start to connect again. If it happens again, its developer has to mend it.",
    )
}
