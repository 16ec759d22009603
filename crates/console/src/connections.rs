//! The pages of a person's connections: adding one, how one stands, and everything that can be done with it.
//!
//! Owns what people see and post; what is checked, written and tried out is the gateway's enrolment.

mod add;
mod manage;
mod renew;
mod review;
mod show;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use portcullis_authorization_server::User;
use portcullis_oauth::{Alias, Form, GrantId, Secret};
use portcullis_resource_server::catalogue::{AuthKind, Server};
use portcullis_resource_server::{Answers, Connection, ConnectionError, Managed, Who};
use portcullis_web::{Browser, ErrorPage};

use crate::home::{Console, Fault, fault, refused_form, trace};

/// The routes.
pub(crate) fn router() -> Router<Console> {
    Router::new()
        .route("/connect", get(add::choose).post(add::create))
        .route("/connections/{alias}", get(show))
        .route("/connections/{alias}/delete", get(confirm_delete).post(act))
        .route("/connections/{alias}/renew", get(renew::form).post(renew::renew))
        .route("/connections/{alias}/{action}", post(act))
}

/// `GET /connections/{alias}`
async fn show(
    State(console): State<Console>,
    Path(alias): Path<String>,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        match console.mine(&browser, &alias, &headers).await? {
            Mine::Found(user, connection) => {
                console.connection_page(&browser, &user, &connection, None).await
            }
            Mine::Answered(answer) => Ok(answer),
        }
    };
    shown.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `GET /connections/{alias}/delete`: asks, changes nothing.
async fn confirm_delete(
    State(console): State<Console>,
    Path(alias): Path<String>,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        match console.mine(&browser, &alias, &headers).await? {
            Mine::Found(user, connection) => console.delete_page(&browser, &user, &connection).await,
            Mine::Answered(answer) => Ok(answer),
        }
    };
    shown.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `POST /connections/{alias}/{action}`, and the answer to "delete?".
async fn act(
    State(console): State<Console>,
    Path(path): Path<Vec<(String, String)>>,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let named = |key: &str| path.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let (alias, action) = (named("alias").unwrap_or_default(), named("action").unwrap_or("delete"));
    let form = match console.posted(&browser, &headers, &body).await {
        Ok(form) => form,
        Err(refused) => return refused_form(&headers, &refused),
    };
    let acted = async {
        match console.mine(&browser, alias, &headers).await? {
            Mine::Found(user, connection) => {
                console.act(&browser, (&user, &connection), (action, &form, &headers)).await
            }
            Mine::Answered(answer) => Ok(answer),
        }
    };
    acted.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// Whose browser it is, and what they call so.
enum Mine {
    Found(Box<User>, Box<Connection>),
    /// Nobody is signed in, there is no such connection of theirs (somebody else's is a missing one), or the policy keeps them
    /// from it.
    Answered(Response),
}

impl Console {
    async fn mine(&self, browser: &Browser, alias: &str, headers: &HeaderMap) -> Result<Mine, Fault> {
        let Some(user) = self.signed_in(browser).await? else { return Ok(Mine::Answered(sign_in(alias))) };
        let found = match Alias::parse(alias) {
            Ok(alias) => self.connections().find(&user.id, &alias).await?,
            Err(_) => None,
        };
        let Some(connection) = found else { return Ok(Mine::Answered(missing(headers))) };
        let kept = self.kept_from(&user, Managed::Known(&connection), headers).await?;
        Ok(kept.map_or_else(|| Mine::Found(Box::new(user), Box::new(connection)), Mine::Answered))
    }

    async fn act(
        &self,
        browser: &Browser,
        (user, connection): (&User, &Connection),
        (action, form, headers): (&str, &Form, &HeaderMap),
    ) -> Result<Response, Fault> {
        let notice = match action {
            "test" => {
                self.enrolment().test(connection).await?;
                "It was tried out just now.".to_owned()
            }
            "disable" => {
                self.connections().disable(connection, Who::Owner).await?;
                "It is switched off. Clients no longer reach it.".to_owned()
            }
            "enable" => match self.enrolment().enable(connection, Who::Owner).await? {
                Some(_) => "It is switched on again, and was tried out.".to_owned(),
                None => "It cannot be switched on here; an administrator can.".to_owned(),
            },
            "clients" => self.set_reach((user, connection), form).await?,
            "accept" => self.accept_tool((user, connection), form).await?,
            "rename" => return self.rename(browser, (user, connection), (form, headers)).await,
            "delete" => {
                self.connections().remove(connection).await?;
                let notice =
                    format!("The connection {} is deleted, with everything of it.", connection.alias);
                return self.home(browser, user, Some(notice)).await;
            }
            _ => return Ok(missing(headers)),
        };
        match self.connections().get(&connection.id).await? {
            Some(now) => self.connection_page(browser, user, &now, Some(notice)).await,
            None => Ok(missing(headers)),
        }
    }

    /// One client may use it from now on, or no longer.
    async fn set_reach(
        &self,
        (user, connection): (&User, &Connection),
        form: &Form,
    ) -> Result<String, Fault> {
        let grant = GrantId::from(form.one("grant").ok().flatten().unwrap_or_default().to_owned());
        let reaches = form.one("reaches").ok().flatten() == Some("yes");
        let changed = self.grants().set_reach(&user.id, (&grant, &connection.id), reaches).await?;
        Ok(match (changed, reaches) {
            (true, true) => "That client may use this connection now.",
            (true, false) => "That client no longer may use this connection.",
            (false, _) => "Nothing was changed.",
        }
        .to_owned())
    }

    async fn rename(
        &self,
        browser: &Browser,
        (user, connection): (&User, &Connection),
        (form, headers): (&Form, &HeaderMap),
    ) -> Result<Response, Fault> {
        let refused = match Alias::parse(form.one("alias").ok().flatten().unwrap_or_default()) {
            Err(error) => error.to_string(),
            Ok(alias) => {
                // Under the new name it may be another's to look after.
                let server = self.server_of(connection).await?;
                let renamed = Managed::New(&alias, server.as_ref());
                if let Some(kept) = self.kept_from(user, renamed, headers).await? {
                    return Ok(kept);
                }
                match self.connections().rename(connection, &alias).await {
                    Ok(_) => return Ok(Redirect::to(&format!("/connections/{alias}")).into_response()),
                    Err(ConnectionError::Database(error)) => return Err(error.into()),
                    Err(error) => error.to_string(),
                }
            }
        };
        self.connection_page(browser, user, connection, Some(format!("It was not renamed: {refused}."))).await
    }
}

/// What a form says of a server's credentials and values. An empty secret is one that stays as it is.
fn answers(server: &Server, auth: AuthKind, form: &Form) -> Answers {
    let text = |name: &str| form.one(name).ok().flatten().filter(|text| !text.is_empty());
    let secret = |name: &str| text(name).map(Secret::presented);
    let mut answers = Answers::default();
    match auth {
        AuthKind::Header => answers.header = secret("header"),
        AuthKind::Basic => answers.basic = secret("user").zip(secret("password")),
        AuthKind::None | AuthKind::OAuth => {}
    }
    for parameter in &server.parameters {
        let (name, field) = (parameter.name.clone(), format!("value.{}", parameter.name));
        if parameter.secret {
            answers.secrets.extend(secret(&field).map(|secret| (name, secret)));
        } else {
            answers.settings.extend(text(&field).map(|value| (name, value.to_owned())));
        }
    }
    answers
}

fn sign_in(alias: &str) -> Response {
    let known = Alias::parse(alias).map_or_else(|_| "/".to_owned(), |alias| format!("/connections/{alias}"));
    Redirect::to(&format!("/login?return_to={known}")).into_response()
}

fn missing(headers: &HeaderMap) -> Response {
    let happened = "You have no connection of this name, or nothing of this kind can be done with it.";
    let advice = "Look on the start page which connections you have.";
    ErrorPage::new(StatusCode::NOT_FOUND, "No such connection", happened, advice, trace(headers))
        .into_response()
}
