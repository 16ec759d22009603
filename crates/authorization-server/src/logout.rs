//! Signing out: the session ends on the server too.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_web::{Browser, csrf, form};

use crate::Core;
use crate::authorize::{login_url, see_other};
use crate::login::local_path;
use crate::openid::session_over;
use crate::page_error::{PageError, Trace, page_or_error};

/// `POST /logout`
pub(crate) async fn sign_out(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let sign_out = async {
        let unreadable = |_| {
            PageError::told(
                "This request cannot be read",
                "It is not a form of ours.",
                "Go back and try again.",
            )
        };
        let form = form(&headers, &body).map_err(unreadable)?;
        csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await?;
        if let Some(signed_in) = browser.signed_in().await? {
            let now = core.clock.now();
            session_over(&core, &signed_in, now).await?;
            core.note(Event::new(now, Action::SignOut, Outcome::Done).by(&signed_in.principal)).await;
        }
        let return_to = form.one("return_to").ok().flatten().map(|path| local_path(Some(path)));
        // "Not you? Sign out" on the consent page: the same browser goes on with another account.
        browser.sign_out(return_to.is_some()).await?;
        Ok(see_other(&return_to.map_or_else(|| "/login".to_owned(), |path| login_url(&path))))
    };
    page_or_error(&trace, sign_out).await
}
