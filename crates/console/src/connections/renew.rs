//! Giving a connection other credentials or settings.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use portcullis_authorization_server::User;
use portcullis_resource_server::Connection;
use portcullis_resource_server::catalogue::Server;
use portcullis_web::Browser;
use portcullis_web::layout::{Chrome, page};

use super::{Mine, answers, missing};
use crate::home::{Console, Fault, fault, refused_form};
use crate::pages::connecting::{ConnectionFormPage, fields};

/// `GET /connections/{alias}/renew`
pub(super) async fn form(
    State(console): State<Console>,
    Path(alias): Path<String>,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        match console.mine(&browser, &alias, &headers).await? {
            Mine::Found(user, connection) => console.renewal(&browser, (&user, &connection), None).await,
            Mine::Answered(answer) => Ok(answer),
        }
    };
    shown.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `POST /connections/{alias}/renew`
pub(super) async fn renew(
    State(console): State<Console>,
    Path(alias): Path<String>,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let posted = match console.posted(&browser, &headers, &body).await {
        Ok(form) => form,
        Err(refused) => return refused_form(&headers, &refused),
    };
    let renewed = async {
        let (user, connection) = match console.mine(&browser, &alias, &headers).await? {
            Mine::Found(user, connection) => (user, connection),
            Mine::Answered(answer) => return Ok(answer),
        };
        let Some(server) = console.server_of(&connection).await? else { return Ok(missing(&headers)) };
        let given = answers(&server, connection.auth, &posted);
        match console.enrolment().renew(&connection, &given).await {
            Ok(_) => Ok(Redirect::to(&format!("/connections/{}", connection.alias)).into_response()),
            Err(error) if error.is_internal() => Err(error.into()),
            Err(error) => console.renewal(&browser, (&user, &connection), Some(error.to_string())).await,
        }
    };
    renewed.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

impl Console {
    pub(super) async fn server_of(&self, connection: &Connection) -> Result<Option<Server>, Fault> {
        Ok(self.enrolment().servers().find(&connection.server).await?)
    }

    async fn renewal(
        &self,
        browser: &Browser,
        (user, connection): (&User, &Connection),
        error: Option<String>,
    ) -> Result<Response, Fault> {
        let Some(server) = self.server_of(connection).await? else {
            return Ok(Redirect::to(&format!("/connections/{}", connection.alias)).into_response());
        };
        let csrf = browser.csrf_token().await?;
        let form = ConnectionFormPage {
            chrome: Chrome::signed_in("Change a connection", &user.email, &csrf),
            csrf,
            action: format!("/connections/{}/renew", connection.alias),
            is_new: false,
            slug: connection.server.clone(),
            server: server.title.clone(),
            alias: connection.alias.to_string(),
            label: connection.label.clone(),
            auth: connection.auth.as_str(),
            header: server.header.name.clone(),
            others: Vec::new(),
            fields: fields(&server, |name| connection.settings.get(name).cloned().unwrap_or_default()),
            return_to: String::new(),
            error,
        };
        let status = if form.error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Ok(page(status, &form))
    }
}
