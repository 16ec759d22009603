//! The page where a person types a device's code (RFC 8628 §3.3). Opening it, with or without a code in the link, decides
//! nothing (R8628-3.3-1): the code leads to the consent page, which every device meets.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{Form, Timestamp, UserCode};
use portcullis_web::layout::{Chrome, page};
use portcullis_web::{Browser, Peer, csrf, form};

use crate::Core;
use crate::authorize::{login_url, see_other};
use crate::page_error::{PageError, Trace, page_or_error, with_retry_after};
use crate::pages::DevicePage;
use crate::signed_in::signed_in;
use crate::store::User;

/// Unknown, over, answered and somebody else's are one and the same.
const WRONG: &str =
    "This code is not waiting for an answer. Compare it with the device, or let the device show a new one.";

/// `GET /device`
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let show = async {
        let query = Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| unreadable())?;
        let code = query.one("user_code").ok().flatten().and_then(UserCode::parse);
        let code = code.map(|code| code.shown()).unwrap_or_default();
        match signed_in(&core, &browser).await? {
            Some(user) => entry(&browser, &user, (StatusCode::OK, &code), None).await,
            None if code.is_empty() => Ok(see_other(&login_url("/device"))),
            None => Ok(see_other(&login_url(&format!("/device?user_code={code}")))),
        }
    };
    page_or_error(&trace, show).await
}

/// `POST /device`
pub(crate) async fn enter(
    State(core): State<Arc<Core>>,
    trace: Trace,
    (browser, peer): (Browser, Peer),
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let enter = async {
        let form = form(&headers, &body).map_err(|_| unreadable())?;
        csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await?;
        match signed_in(&core, &browser).await? {
            Some(user) => claim(&core, (&browser, peer), &user, &form).await,
            None => Ok(see_other(&login_url("/device"))),
        }
    };
    page_or_error(&trace, enter).await
}

async fn claim(
    core: &Core,
    (browser, peer): (&Browser, Peer),
    user: &User,
    form: &Form,
) -> Result<Response, PageError> {
    let now = core.clock.now();
    let typed = form.one("user_code").ok().flatten().unwrap_or_default();
    // R8628-5.1-1: counted before it is looked up, by person and by source. The form is locked; the flow waits on.
    let source = core.user_code_source_guard.admit(&peer.to_string(), now);
    if let Err(seconds) = source.and_then(|()| core.user_code_guard.admit(user.id.as_str(), now)) {
        note(core, user, (Outcome::Refused, "throttled"), now).await;
        let text = format!("There were too many wrong codes. Wait {seconds} seconds, then try again.");
        let page = entry(browser, user, (StatusCode::TOO_MANY_REQUESTS, typed), Some(text)).await?;
        return Ok(with_retry_after(page, Some(seconds)));
    }
    let handle = match UserCode::parse(typed) {
        Some(code) => core.devices.claim(&code, (&browser.mark().await?, &user.id), now).await?,
        None => None,
    };
    let Some(handle) = handle else {
        note(core, user, (Outcome::Refused, "wrong_code"), now).await;
        return entry(browser, user, (StatusCode::UNPROCESSABLE_ENTITY, typed), Some(WRONG.to_owned())).await;
    };
    // A right code does not count, and forgives nothing: whoever has devices of their own buys no guesses with them.
    core.user_code_guard.take_back(user.id.as_str());
    core.user_code_source_guard.take_back(&peer.to_string());
    note(core, user, (Outcome::Done, "claimed"), now).await;
    Ok(see_other(&format!("/oauth/consent?request={}", handle.expose())))
}

async fn note(core: &Core, user: &User, (outcome, reason): (Outcome, &'static str), now: Timestamp) {
    core.note(
        Event::new(now, Action::DeviceCode, outcome).because(reason).by(&user.id).known_as(&user.email),
    )
    .await;
}

async fn entry(
    browser: &Browser,
    user: &User,
    (status, typed): (StatusCode, &str),
    error: Option<String>,
) -> Result<Response, PageError> {
    let csrf = browser.csrf_token().await?;
    let entry = DevicePage {
        chrome: Chrome::signed_in("Connect a device", &user.email, &csrf),
        csrf,
        user_code: typed.chars().take(20).collect(),
        error,
    };
    Ok(page(status, &entry))
}

fn unreadable() -> PageError {
    PageError::told(
        "This request cannot be read",
        "It is not a form of ours.",
        "Open this page again and type the code that the device shows.",
    )
}
