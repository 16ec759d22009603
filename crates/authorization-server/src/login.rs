//! Signing in: one form, one answer for everything that is wrong with it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{Form, PrincipalId, Secret, Timestamp};
use portcullis_web::csrf::CsrfError;
use portcullis_web::layout::{Chrome, page};
use portcullis_web::{Browser, Peer, SignedIn, csrf, form};

use crate::Core;
use crate::attempt::{self, AttemptStage, Reason, Step};
use crate::authorize::see_other;
use crate::openid::session_over;
use crate::page_error::{PageError, Trace, page_or_error, with_retry_after};
use crate::pages::LoginPage;
use crate::password_change;
use crate::store::{Credentials, PendingRequest};
use crate::throttle::{Throttled, Visitor};

const WRONG: &str = "The e-mail address or the password is not right.";

/// `GET /login`
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let show = async {
        let form = read(query.unwrap_or_default().as_bytes())?;
        let return_to = local_path(form.one("return_to").ok().flatten());
        let signed_in = browser.signed_in().await?;
        let again = form.one("again").ok().flatten().is_some();
        let login = Login { core: &core, browser: &browser, return_to };
        let request = login.request().await?;
        // OIDC-C-3-1, A47: the request itself says whether the sign-in that stands does, not the address of this page.
        let does = |sign_in: &SignedIn| {
            request.as_ref().is_none_or(|request| request.demand.is_met(sign_in, core.clock.now()))
        };
        if !again && signed_in.as_ref().is_some_and(does) {
            return Ok(see_other(&login.return_to));
        }
        let user = match signed_in {
            Some(signed_in) => core.users.find(&signed_in.principal).await?,
            None => None,
        };
        // Whoever is signed in proves it again: the address stands there already (ASVS-7.5.1).
        let hint = request.as_ref().and_then(|request| request.login_hint.as_deref());
        let email = hint.or(user.as_ref().map(|user| user.email.as_str())).unwrap_or_default();
        login.page(StatusCode::OK, email, None).await
    };
    page_or_error(&trace, show).await
}

/// `POST /login`
pub(crate) async fn sign_in(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    (peer, headers): (Peer, HeaderMap),
    body: Bytes,
) -> Response {
    let sign_in = async {
        let form = form(&headers, &body).map_err(|_| unreadable())?;
        let checked =
            csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await;
        if matches!(checked, Err(CsrfError::Token)) && browser.signed_in().await?.is_some() {
            // Signed in through another tab meanwhile: this form is old, and there is nothing left to do.
            return Ok(see_other(&local_path(form.one("return_to").ok().flatten())));
        }
        checked?;
        let login = Login {
            core: &core,
            browser: &browser,
            return_to: local_path(form.one("return_to").ok().flatten()),
        };
        login.attempt(&form, Visitor::new(&core, peer, &headers)).await
    };
    attempt::page(&core, AttemptStage::SignIn, (&trace, peer), Box::pin(sign_in)).await
}

struct Login<'a> {
    core: &'a Core,
    browser: &'a Browser,
    return_to: String,
}

impl Login<'_> {
    async fn attempt(&self, form: &Form, visitor: Visitor) -> Result<Response, PageError> {
        let now = self.core.clock.now();
        let email = form.one("email").ok().flatten().unwrap_or_default().trim();
        let password = Secret::presented(form.one("password").ok().flatten().unwrap_or_default());
        let credentials = match prove(self.core, &visitor, email, password, now).await? {
            Proof::Right(credentials) => credentials,
            Proof::Wrong => {
                let reason = (Step::Session, Reason::SignInFailed);
                attempt::unless_refused(reason, "an address and its password", "others");
                self.refused("wrong_credentials", now).await;
                return self.page(StatusCode::UNAUTHORIZED, email, Some(WRONG.to_owned())).await;
            }
            Proof::Throttled(throttled) => {
                attempt::refused((Step::Session, Reason::SignInThrottled), "fewer tries", throttled.reason());
                self.refused(throttled.reason(), now).await;
                let told = Some(throttled.sentence());
                let page = self.page(StatusCode::TOO_MANY_REQUESTS, email, told).await?;
                return Ok(with_retry_after(page, throttled.seconds()));
            }
        };
        if credentials.password_expired_at.is_some() {
            self.refused("password_expired", now).await;
            attempt::refused(
                (Step::Session, Reason::PasswordExpired),
                "a password that is still good",
                "an expired one",
            );
            // Nothing on that page needs the request, but the attempt that this sign-in is part of is known by it.
            self.request().await?;
            return password_change::expired(self.browser, email, &self.return_to).await;
        }
        let cookie = enter(self.core, self.browser, visitor, &credentials.id, now).await?;
        Ok(with_cookie(see_other(&self.return_to), cookie))
    }

    async fn refused(&self, reason: &'static str, now: Timestamp) {
        self.core.note(Event::new(now, Action::SignIn, Outcome::Refused).because(reason)).await;
    }

    async fn page(
        &self,
        status: StatusCode,
        email: &str,
        error: Option<String>,
    ) -> Result<Response, PageError> {
        let login = LoginPage {
            chrome: Chrome::anonymous("Sign in"),
            csrf: self.browser.csrf_token().await?,
            continue_to: self.client_name().await?,
            return_to: self.return_to.clone(),
            email: email.to_owned(),
            error,
        };
        Ok(page(status, &login))
    }

    /// The request that this sign-in is for, if it is one that this browser began.
    async fn request(&self) -> Result<Option<PendingRequest>, PageError> {
        let Some(query) = self.return_to.strip_prefix("/oauth/consent?") else { return Ok(None) };
        let form = read(query.as_bytes())?;
        let Ok(Some(handle)) = form.one("request") else { return Ok(None) };
        let mark = self.browser.mark().await?;
        let request =
            self.core.requests.find(&Secret::presented(handle), &mark, self.core.clock.now()).await?;
        if let Some(request) = &request {
            attempt::joins(request.attempt.as_ref());
            attempt::client(&request.client_id, false);
        }
        Ok(request)
    }

    /// The name of the client that this sign-in is for.
    async fn client_name(&self) -> Result<Option<String>, PageError> {
        let Some(request) = self.request().await? else { return Ok(None) };
        Ok(self.core.clients.find(&request.client_id).await?.map(|client| client.metadata.client_name))
    }
}

/// What an address and a password turn out to be.
pub(crate) enum Proof {
    /// They are somebody's who may sign in.
    Right(Credentials),
    /// They are not, for whatever reason.
    Wrong,
    /// There were too many tries to look at one more.
    Throttled(Throttled),
}

/// Judges an address and a password. Unknown, disabled and wrong differ by neither text nor time (A54).
pub(crate) async fn prove(
    core: &Core,
    visitor: &Visitor,
    email: &str,
    password: Secret,
    now: Timestamp,
) -> Result<Proof, PageError> {
    if let Err(throttled) = visitor.knock(core, email, now).await? {
        return Ok(Proof::Throttled(throttled));
    }
    let found = core.users.credentials(email).await?;
    let stored = found.as_ref().and_then(|credentials| credentials.password_hash.clone());
    let right = core.passwords.verify(password, stored).await?;
    if let Some(credentials) = found.as_ref().filter(|found| right && found.disabled_at.is_some()) {
        attempt::person(&credentials.id);
        attempt::refused((Step::Session, Reason::UserDisabled), "an account that is open", "a disabled one");
    }
    match found.filter(|credentials| right && credentials.disabled_at.is_none()) {
        Some(credentials) => {
            visitor.forgive(core, email).await?;
            Ok(Proof::Right(credentials))
        }
        None => Ok(Proof::Wrong),
    }
}

/// Signs a proven user in, once the paper trail says so. Gives the cookie by which the browser is known from now on.
pub(crate) async fn enter(
    core: &Core,
    browser: &Browser,
    visitor: Visitor,
    principal: &PrincipalId,
    now: Timestamp,
) -> Result<Option<HeaderValue>, PageError> {
    core.trail.record(Event::new(now, Action::SignIn, Outcome::Done).by(principal)).await?;
    let cookie = visitor.remember(core, principal, now).await?;
    if let Some(before) = browser.signed_in().await?.filter(|before| before.principal != *principal) {
        session_over(core, &before, now).await?;
    }
    browser.sign_in(principal, now).await?;
    Ok(cookie)
}

/// An answer that makes the browser known.
pub(crate) fn with_cookie(mut answer: Response, cookie: Option<HeaderValue>) -> Response {
    answer.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    answer
}

fn read(query: &[u8]) -> Result<Form, PageError> {
    Form::parse(query).map_err(|_| unreadable())
}

pub(crate) fn unreadable() -> PageError {
    PageError::told(
        "This request cannot be read",
        "It is not a form of ours.",
        "Go back and load the page again.",
    )
}

/// A path on this server, else the start page: never a way out to somewhere else (R9700-2.1-1).
pub(crate) fn local_path(given: Option<&str>) -> String {
    let is_local = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.len() <= 8_000
            && path.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'\\')
    };
    given.filter(is_local).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9700-2.1-1
    #[test]
    fn return_to_never_leaves_this_server() {
        for away in [
            "//evil.example",
            "https:evil",
            "https://evil.example",
            "\\\\evil",
            "/\\evil",
            "/\t/evil",
            "evil",
            "",
        ] {
            assert_eq!(local_path(Some(away)), "/", "{away}");
        }
        assert_eq!(local_path(Some("/oauth/consent?request=x")), "/oauth/consent?request=x");
    }
}
