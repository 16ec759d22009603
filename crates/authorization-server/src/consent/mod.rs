//! The consent page: the question, and the one answer that counts, for redirects and devices alike. Only what is ticked
//! is granted; any word but `approve` denies (A41).

mod answer;
mod decision;
mod pending;
mod question;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use portcullis_oauth::Form;
use portcullis_web::{Browser, Peer, csrf, form};

use self::pending::{Found, find};
use crate::Core;
use crate::attempt::{self, AttemptStage, Reason, Step};
use crate::authorize::{login_url, see_other};
use crate::page_error::{PageError, Trace};

/// `GET /oauth/consent?request=…`: shows, never decides.
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    trace: Trace,
    (browser, peer): (Browser, Peer),
    RawQuery(query): RawQuery,
) -> Response {
    let show = async {
        let form = Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| gone())?;
        match find(&core, (&browser, peer), &form).await? {
            Found::SignInFirst(return_to) => Ok(see_other(&login_url(&return_to))),
            Found::Pending(pending) => question::show(&core, &browser, &pending, None).await,
        }
    };
    attempt::page(&core, AttemptStage::Consent, (&trace, peer), Box::pin(show)).await
}

/// `POST /oauth/consent`
pub(crate) async fn decide(
    State(core): State<Arc<Core>>,
    trace: Trace,
    (browser, peer): (Browser, Peer),
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let decide = async {
        let form = form(&headers, &body).map_err(|_| gone())?;
        csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await?;
        match find(&core, (&browser, peer), &form).await? {
            Found::SignInFirst(return_to) => Ok(see_other(&login_url(&return_to))),
            Found::Pending(pending) => decision::take(&core, &browser, *pending, &form).await,
        }
    };
    attempt::page(&core, AttemptStage::Consent, (&trace, peer), Box::pin(decide)).await
}

fn gone() -> PageError {
    attempt::unless_refused(
        (Step::Session, Reason::RequestOver),
        "a request that waits for an answer",
        "none",
    );
    PageError::told(
        "This request is over",
        "It was answered already, took too long, or was begun in another browser.",
        "Go back to the application and start to connect again.",
    )
}

fn changed() -> PageError {
    attempt::refused(
        (Step::Client, Reason::ClientChanged),
        "the application that was asked about",
        "another one",
    );
    PageError::told(
        "This application has changed",
        "While you were being asked, what it says of itself became something else. Nothing was allowed.",
        "Go back to the application and start to connect again: you are then asked about what it is now.",
    )
}
