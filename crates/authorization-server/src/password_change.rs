//! Changing one's password: the current one is asked for, every other browser is signed out, clients by choice
//! (ASVS-6.2.3). Also the way in for somebody whose password an admin let expire (NIST-3).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_database::{Change, ChangeKind};
use portcullis_oauth::{Form, PrincipalId, Secret, Timestamp};
use portcullis_web::layout::{Chrome, page};
use portcullis_web::{Browser, Peer, csrf, form};

use crate::Core;
use crate::authorize::{login_url, see_other};
use crate::login::{Proof, enter, local_path, prove, unreadable, with_cookie};
use crate::page_error::{PageError, Trace, page_or_error, with_retry_after};
use crate::pages::PasswordPage;
use crate::password::MINIMUM_LENGTH;
use crate::store::{Ending, UserError};
use crate::throttle::Visitor;

const HERE: &str = "/account/password";
const WRONG: &str = "The current password is not right.";

/// `GET /account/password`
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let show = async {
        let form = Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| unreadable())?;
        let Some(email) = signed_in(&core, &browser).await? else { return Ok(see_other(&login_url(HERE))) };
        let desk = Desk { core: &core, browser: &browser, email, return_to: return_to(&form), is_in: true };
        desk.page(StatusCode::OK, Wrong::default()).await
    };
    page_or_error(&trace, show).await
}

/// `POST /account/password`
pub(crate) async fn change(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    (peer, headers): (Peer, HeaderMap),
    body: Bytes,
) -> Response {
    let change = async {
        let form = form(&headers, &body).map_err(|_| unreadable())?;
        csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await?;
        let signed_in = signed_in(&core, &browser).await?;
        let is_in = signed_in.is_some();
        // Who is signed in changes their own password, whatever the form says.
        let email = signed_in.unwrap_or_else(|| field(&form, "email"));
        let desk = Desk { core: &core, browser: &browser, email, return_to: return_to(&form), is_in };
        desk.change(&form, Visitor::new(&core, peer, &headers)).await
    };
    page_or_error(&trace, change).await
}

/// The page for somebody who proved an expired password and is not signed in by it.
pub(crate) async fn expired(browser: &Browser, email: &str, return_to: &str) -> Result<Response, PageError> {
    password_page(browser, (email, return_to, false), StatusCode::OK, Wrong::default()).await
}

async fn signed_in(core: &Core, browser: &Browser) -> Result<Option<String>, PageError> {
    let Some(signed_in) = browser.signed_in().await? else { return Ok(None) };
    let user = core.users.find(&signed_in.principal).await?;
    Ok(user.filter(|user| user.disabled_at.is_none()).map(|user| user.email))
}

fn field(form: &Form, name: &str) -> String {
    form.one(name).ok().flatten().unwrap_or_default().to_owned()
}

fn return_to(form: &Form) -> String {
    match form.one("return_to").ok().flatten() {
        None => "/account".to_owned(),
        given => local_path(given),
    }
}

/// What is wrong with an attempt, by field.
#[derive(Default)]
struct Wrong {
    current: Option<String>,
    new: Option<String>,
}

struct Desk<'a> {
    core: &'a Core,
    browser: &'a Browser,
    email: String,
    return_to: String,
    /// Whether this browser is signed in; else the form is the way in.
    is_in: bool,
}

impl Desk<'_> {
    async fn change(&self, form: &Form, visitor: Visitor) -> Result<Response, PageError> {
        let now = self.core.clock.now();
        let secret = |name| Secret::presented(field(form, name));
        let (current, new) = (secret("current"), secret("new"));
        let unchanged = current.hash().matches(&new);
        let user = match prove(self.core, &visitor, &self.email, current, now).await? {
            Proof::Right(credentials) => credentials.id,
            Proof::Wrong => return self.refuse(StatusCode::UNAUTHORIZED, WRONG.to_owned(), now).await,
            Proof::Throttled(throttled) => {
                let page = self.refuse(StatusCode::TOO_MANY_REQUESTS, throttled.sentence(), now).await?;
                return Ok(with_retry_after(page, throttled.seconds()));
            }
        };
        if unchanged {
            let new = Some("This is the password that you have already.".to_owned());
            return self.page(StatusCode::UNPROCESSABLE_ENTITY, Wrong { new, ..Wrong::default() }).await;
        }
        self.replace(form, visitor, (&user, new), now).await
    }

    async fn replace(
        &self,
        form: &Form,
        visitor: Visitor,
        (user, new): (&PrincipalId, Secret),
        now: Timestamp,
    ) -> Result<Response, PageError> {
        let disconnect = form.one("disconnect").ok().flatten() == Some("yes");
        let ending = if disconnect { Ending::Grants } else { Ending::Nothing };
        match self.core.users.replace_password(user, new, ending).await {
            Ok(()) => {}
            Err(UserError::Database(error)) => return Err(error.into()),
            Err(problem) => {
                let new = Some(format!("The new password was refused: {problem}."));
                return self.page(StatusCode::UNPROCESSABLE_ENTITY, Wrong { new, ..Wrong::default() }).await;
            }
        }
        self.core.changes.publish(&Change::new(ChangeKind::User, user.as_str()));
        // The session of before is over with the others, and clients were told so: another one begins.
        self.browser.sign_out(true).await?;
        let cookie = enter(self.core, self.browser, visitor, user, now).await?;
        Ok(with_cookie(see_other(&self.return_to), cookie))
    }

    async fn refuse(&self, status: StatusCode, text: String, now: Timestamp) -> Result<Response, PageError> {
        let event = Event::new(now, Action::UserChange, Outcome::Refused).because("wrong_credentials");
        self.core.note(event).await;
        self.page(status, Wrong { current: Some(text), ..Wrong::default() }).await
    }

    async fn page(&self, status: StatusCode, wrong: Wrong) -> Result<Response, PageError> {
        password_page(self.browser, (&self.email, &self.return_to, self.is_in), status, wrong).await
    }
}

async fn password_page(
    browser: &Browser,
    (email, return_to, is_in): (&str, &str, bool),
    status: StatusCode,
    wrong: Wrong,
) -> Result<Response, PageError> {
    let csrf = browser.csrf_token().await?;
    let title = "Change your password";
    let password = PasswordPage {
        chrome: if is_in { Chrome::signed_in(title, email, &csrf) } else { Chrome::anonymous(title) },
        csrf,
        return_to: return_to.to_owned(),
        email: email.to_owned(),
        expired: !is_in,
        minimum_password_length: MINIMUM_LENGTH,
        current_error: wrong.current,
        new_error: wrong.new,
    };
    Ok(page(status, &password))
}
