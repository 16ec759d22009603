//! Authorising a connection in the browser: the button of its page, and the answer that the browser brings back. What is
//! asked and believed is the gateway's; here is who may ask, and what people are told.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use portcullis_authorization_server::User;
use portcullis_oauth::{Alias, Form};
use portcullis_resource_server::{AuthorizationError, Connection, Managed};
use portcullis_web::{Browser, ErrorPage};

use crate::home::{Console, Fault, fault, refused_form, trace};

/// The routes.
pub(crate) fn router() -> Router<Console> {
    Router::new()
        .route("/connections/{alias}/authorize", post(begin))
        .route("/oauth/callback/{issuer}", get(finish))
}

/// `POST /connections/{alias}/authorize`: the one door to an upstream's authorization server. A link leads nowhere.
async fn begin(
    State(console): State<Console>,
    Path(alias): Path<String>,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = console.posted(&browser, &headers, &body).await {
        return refused_form(&headers, &refused);
    }
    let begin = async {
        let Some(user) = console.signed_in(&browser).await? else {
            return Ok(Redirect::to("/login").into_response());
        };
        let Some(connection) = console.connection_of(&user, &alias).await? else {
            return Ok(no_connection(&headers));
        };
        if let Some(kept) = console.kept_from(&user, Managed::Known(&connection), &headers).await? {
            return Ok(kept);
        }
        match console.upstream().begin(&connection, &browser.mark().await?).await {
            // 303: a browser that repeats a post would send this form to strangers (OA21-7.5.3-1).
            Ok(away) => Ok(Redirect::to(&away).into_response()),
            Err(error) => not_authorised(&headers, error, Some(&connection)),
        }
    };
    begin.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `GET /oauth/callback/{issuer}`: a browser came back. Only the one that was sent away counts, with the same person.
async fn finish(
    State(console): State<Console>,
    Path(issuer): Path<String>,
    RawQuery(query): RawQuery,
    browser: Browser,
    headers: HeaderMap,
) -> Response {
    let finish = async {
        let Some(user) = console.signed_in(&browser).await? else {
            return not_authorised(&headers, AuthorizationError::NotYours, None);
        };
        let Ok(answer) = Form::parse(query.unwrap_or_default().as_bytes()) else {
            return not_authorised(&headers, AuthorizationError::NotYours, None);
        };
        let mark = browser.mark().await?;
        let awaited = console.upstream().awaited(&issuer, &answer, (&user.id, &mark)).await?;
        if let Some(connection) = &awaited
            && let Some(kept) = console.kept_from(&user, Managed::Known(connection), &headers).await?
        {
            return Ok(kept);
        }
        let asked = awaited.map(|connection| connection.id);
        match console.upstream().finish(&issuer, answer, (&user.id, &mark), asked.as_ref()).await {
            // Away from the address with the code in it.
            Ok(connection) => Ok(Redirect::to(&page(&connection)).into_response()),
            Err(error) => not_authorised(&headers, error, None),
        }
    };
    finish.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

impl Console {
    async fn connection_of(&self, user: &User, alias: &str) -> Result<Option<Connection>, Fault> {
        let Ok(alias) = Alias::parse(alias) else { return Ok(None) };
        Ok(self.connections().find(&user.id, &alias).await?)
    }
}

fn page(connection: &Connection) -> String {
    format!("/connections/{}", connection.alias)
}

fn no_connection(headers: &HeaderMap) -> Response {
    let happened = "You have no connection of this name.";
    let advice = "Look on the start page which connections you have.";
    ErrorPage::new(StatusCode::NOT_FOUND, "No such connection", happened, advice, trace(headers))
        .into_response()
}

/// What went wrong, in words; a fault of ours is told as every fault is.
fn not_authorised(
    headers: &HeaderMap,
    error: AuthorizationError,
    connection: Option<&Connection>,
) -> Result<Response, Fault> {
    if error.is_internal() {
        return Err(error.into());
    }
    tracing::info!(code = error.code(), cause = ?error, "a connection was not authorised");
    let status = match error {
        AuthorizationError::NotYours | AuthorizationError::Foreign => StatusCode::BAD_REQUEST,
        AuthorizationError::NotOauth => StatusCode::CONFLICT,
        _ => StatusCode::BAD_GATEWAY,
    };
    let advice = match connection {
        Some(connection) => format!("Nothing was changed at your connection {}.", connection.alias),
        None => "Open the connection's page from the start page and authorise it there.".to_owned(),
    };
    let happened = capitalised(&error.to_string());
    let title = "The connection was not authorised";
    Ok(ErrorPage::new(status, title, happened, advice, trace(headers)).into_response())
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
