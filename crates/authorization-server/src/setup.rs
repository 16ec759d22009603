//! The first admin, created through a one-time link (ASVS-6.3.2).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_oauth::{Form, Secret};
use portcullis_web::layout::{Chrome, page};
use portcullis_web::{Browser, Peer, csrf, form};

use crate::Core;
use crate::authorize::see_other;
use crate::login::with_cookie;
use crate::page_error::{PageError, Trace, page_or_error};
use crate::pages::{SetupError, SetupField, SetupPage};
use crate::password::MINIMUM_LENGTH;
use crate::store::{NewUser, UserError};
use crate::throttle::Visitor;

/// `GET /setup?token=…`
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let show = async {
        let form = Form::parse(query.unwrap_or_default().as_bytes()).map_err(|_| dead_link())?;
        let token = form.one("token").ok().flatten().ok_or_else(dead_link)?;
        if !core.setup.is_good(&Secret::presented(token)).await? {
            return Err(dead_link());
        }
        setup_page(&browser, &form, StatusCode::OK, Vec::new()).await
    };
    page_or_error(&trace, show).await
}

/// `POST /setup`
pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    trace: Trace,
    browser: Browser,
    (peer, headers): (Peer, HeaderMap),
    body: Bytes,
) -> Response {
    let create = async {
        let form = form(&headers, &body).map_err(|_| dead_link())?;
        csrf::check(&browser, &headers, core.public_url(), form.one("csrf").ok().flatten()).await?;
        create_admin(&core, &browser, &form, Visitor::new(&core, peer, &headers)).await
    };
    page_or_error(&trace, create).await
}

async fn create_admin(
    core: &Core,
    browser: &Browser,
    form: &Form,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let field = |name| form.one(name).ok().flatten().unwrap_or_default().to_owned();
    let now = core.clock.now();
    let admin = NewUser {
        email: field("email"),
        name: field("name"),
        admin: true,
        password: Some(Secret::presented(field("password"))),
    };
    match core.setup.redeem(&Secret::presented(field("token")), admin).await {
        Ok(Some(user)) => {
            core.note(Event::new(now, Action::Setup, Outcome::Done).by(&user.id).known_as(&user.email)).await;
            let cookie = visitor.remember(core, &user.id, now).await?;
            browser.sign_in(&user.id, now).await?;
            Ok(with_cookie(see_other("/"), cookie))
        }
        Ok(None) => {
            core.note(Event::new(now, Action::Setup, Outcome::Refused).because("setup_link_dead")).await;
            Err(dead_link())
        }
        Err(UserError::Database(error)) => Err(error.into()),
        Err(problem) => {
            let errors = vec![SetupError { field: field_of(&problem), message: sentence(&problem) }];
            setup_page(browser, form, StatusCode::UNPROCESSABLE_ENTITY, errors).await
        }
    }
}

async fn setup_page(
    browser: &Browser,
    form: &Form,
    status: StatusCode,
    errors: Vec<SetupError>,
) -> Result<Response, PageError> {
    let field = |name| form.one(name).ok().flatten().unwrap_or_default().to_owned();
    let setup = SetupPage {
        chrome: Chrome::anonymous("Create the first account"),
        csrf: browser.csrf_token().await?,
        token: field("token"),
        name: field("name"),
        email: field("email"),
        minimum_password_length: MINIMUM_LENGTH,
        errors,
    };
    Ok(page(status, &setup))
}

fn field_of(problem: &UserError) -> SetupField {
    match problem {
        UserError::Name => SetupField::Name,
        UserError::Password(_) => SetupField::Password,
        UserError::Email | UserError::Taken | UserError::Database(_) => SetupField::Email,
    }
}

/// An error's text as a sentence on a page.
fn sentence(problem: &UserError) -> String {
    let text = problem.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn dead_link() -> PageError {
    PageError::told(
        "This link does not work any more",
        "A link that creates the first administrator works once and for one day.",
        "On the server, run `portcullis setup` for a new one. If there is an administrator already, sign in instead.",
    )
    .with_status(StatusCode::NOT_FOUND)
}
