//! The account page: the person's password, and the browsers where they are signed in.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use portcullis_authorization_server::User;
use portcullis_oauth::Seconds;
use portcullis_web::layout::{Chrome, Moment, page};
use portcullis_web::{Browser, SessionSummary, SignedIn};

use crate::device;
use crate::home::{Console, Fault, fault, refused_form};
use crate::pages::{AccountPage, BrowserRow};

/// So long ago somebody may have proved who they are, to see their sessions and end them (ASVS-7.5.1).
const FRESH: Seconds = Seconds::minutes(15);
/// Where somebody proves it again.
const AGAIN: &str = "/login?again=yes&return_to=/account";

/// The routes of this page.
pub(crate) fn router() -> Router<Console> {
    Router::new().route("/account", get(show)).route("/account/sessions/end", post(end))
}

/// `GET /account`
async fn show(State(console): State<Console>, browser: Browser, headers: HeaderMap) -> Response {
    let show = async {
        match console.freshly_signed_in(&browser).await? {
            Ok(user) => console.account(&browser, &user, None).await,
            Err(elsewhere) => Ok(elsewhere),
        }
    };
    show.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `POST /account/sessions/end`
async fn end(State(console): State<Console>, browser: Browser, headers: HeaderMap, body: Bytes) -> Response {
    let form = match console.posted(&browser, &headers, &body).await {
        Ok(form) => form,
        Err(refused) => return refused_form(&headers, &refused),
    };
    let end = async {
        let user = match console.freshly_signed_in(&browser).await? {
            Ok(user) => user,
            Err(elsewhere) => return Ok(elsewhere),
        };
        let named = form.one("session").ok().flatten();
        let here = browser.handle();
        let mut ended = 0;
        for session in console.sessions().list(&user.id).await? {
            let is_here = Some(&session.handle) == here.as_ref();
            let is_named = named.is_none_or(|handle| handle == session.handle.as_str());
            if !is_here && is_named && console.end_session(&user, &session).await? {
                ended += 1;
            }
        }
        let notice = match ended {
            0 => "No other browser was signed in there.".to_owned(),
            1 => "The browser is signed out.".to_owned(),
            several => format!("{several} browsers are signed out."),
        };
        console.account(&browser, &user, Some(notice)).await
    };
    end.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

impl Console {
    /// Who is signed in and proved it lately; else where to go first.
    async fn freshly_signed_in(&self, browser: &Browser) -> Result<Result<User, Response>, Fault> {
        let Some(user) = self.signed_in(browser).await? else {
            return Ok(Err(Redirect::to("/login?return_to=/account").into_response()));
        };
        let now = self.clock().now();
        let is_fresh = |signed_in: SignedIn| now < signed_in.authenticated_at.plus(FRESH);
        if browser.signed_in().await?.is_some_and(is_fresh) {
            return Ok(Ok(user));
        }
        Ok(Err(Redirect::to(AGAIN).into_response()))
    }

    async fn end_session(&self, user: &User, session: &SessionSummary) -> Result<bool, Fault> {
        Ok(self.authorization().end_session(&user.id, session).await?)
    }

    async fn account(
        &self,
        browser: &Browser,
        user: &User,
        notice: Option<String>,
    ) -> Result<Response, Fault> {
        let csrf = browser.csrf_token().await?;
        let now = self.clock().now().seconds();
        let moment = |at: portcullis_oauth::Timestamp| Moment::new(at.seconds(), now);
        let here = browser.handle();
        let row = |session: SessionSummary| BrowserRow {
            is_this_one: Some(&session.handle) == here.as_ref(),
            name: device::name(session.device.as_deref().unwrap_or_default()),
            signed_in: moment(session.signed_in_at),
            last_seen: moment(session.last_seen_at),
            handle: session.handle.as_str().to_owned(),
        };
        let account = AccountPage {
            chrome: Chrome::signed_in("Your account", &user.email, &csrf),
            csrf,
            name: user.name.clone(),
            email: user.email.clone(),
            password_changed: moment(user.password_changed_at.unwrap_or(user.created_at)),
            browsers: self.sessions().list(&user.id).await?.into_iter().map(row).collect(),
            notice,
        };
        Ok(page(StatusCode::OK, &account))
    }
}
