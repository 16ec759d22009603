//! The consent page: the question, and the one answer that counts. Only what is ticked is granted; any word but
//! `approve` denies (A41).

mod decision;
mod question;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use portcullis_oauth::{Destination, Form, Secret};
use portcullis_web::{Browser, csrf, form};

use crate::Core;
use crate::authorize::{login_url, see_other};
use crate::page_error::{PageError, Trace, page_or_error};
use crate::store::{Client, PendingRequest, User};

/// A request that waits, with everybody whom it concerns.
struct Pending {
    handle: Secret,
    mark: String,
    request: PendingRequest,
    client: Client,
    destination: Destination,
    user: User,
}

/// What a handle turns out to be.
enum Found {
    Pending(Box<Pending>),
    /// Nobody is signed in, or no longer may be.
    SignInFirst(String),
}

/// `GET /oauth/consent?request=…`: shows, never decides.
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let show = async {
        let form = Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| gone())?;
        match find(&core, &browser, &form).await? {
            Found::SignInFirst(return_to) => Ok(see_other(&login_url(&return_to))),
            Found::Pending(pending) => question::show(&core, &browser, &pending, None).await,
        }
    };
    page_or_error(&trace, show).await
}

/// `POST /oauth/consent`
pub(crate) async fn decide(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let decide = async {
        let form = form(&headers, &body).map_err(|_| gone())?;
        csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await?;
        match find(&core, &browser, &form).await? {
            Found::SignInFirst(return_to) => Ok(see_other(&login_url(&return_to))),
            Found::Pending(pending) => decision::take(&core, &browser, *pending, &form).await,
        }
    };
    page_or_error(&trace, decide).await
}

/// Everything is read again from the server's row and proven again: nothing of the request travels through the browser
/// but its handle.
async fn find(core: &Core, browser: &Browser, form: &Form) -> Result<Found, PageError> {
    let handle = Secret::presented(form.one("request").ok().flatten().ok_or_else(gone)?);
    let (now, mark) = (core.clock.now(), browser.mark().await?);
    let request = core.requests.find(&handle, &mark, now).await?.ok_or_else(gone)?;
    let client = core.clients.find(&request.client_id).await?.ok_or_else(gone)?;
    let destination = Destination::prove(&client.metadata.redirect_uris, Some(&request.redirect_uri))
        .map_err(|_| gone())?;
    let return_to = format!("/oauth/consent?request={}", handle.expose());
    let Some(signed_in) = browser.signed_in().await? else { return Ok(Found::SignInFirst(return_to)) };
    match core.users.find(&signed_in.principal).await?.filter(|user| user.disabled_at.is_none()) {
        Some(user) => {
            Ok(Found::Pending(Box::new(Pending { handle, mark, request, client, destination, user })))
        }
        None => {
            browser.sign_out(true).await?;
            Ok(Found::SignInFirst(return_to))
        }
    }
}

fn gone() -> PageError {
    PageError::told(
        "This request is over",
        "It was answered already, took too long, or was begun in another browser.",
        "Go back to the application and start to connect again.",
    )
}
