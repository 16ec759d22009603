//! Adding a connection: a server of the catalogue is chosen, then filled in.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use portcullis_authorization_server::User;
use portcullis_oauth::{Alias, Form};
use portcullis_resource_server::catalogue::{AuthKind, Server, Slug};
use portcullis_resource_server::{Application, Connection, Managed, Person};
use portcullis_web::Browser;
use portcullis_web::layout::{Chrome, page};

use super::answers;
use crate::home::{Console, Fault, fault, refused_form};
use crate::pages::connecting::{ConnectionFormPage, ServerChoice, ServersPage, WayToSignIn, fields};

/// `GET /connect`: the servers; with `server`, its form.
pub(super) async fn choose(
    State(console): State<Console>,
    browser: Browser,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let chosen = async {
        let query = query.unwrap_or_default();
        let asked = Form::parse(query.as_bytes()).or_else(|_| Form::parse(b""))?;
        let Some(user) = console.signed_in(&browser).await? else {
            return Ok(Redirect::to(&format!("/login?return_to=/connect{}", here(&asked))).into_response());
        };
        console.new_connection(&browser, &user, (&asked, None)).await
    };
    chosen.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// `POST /connect`
pub(super) async fn create(
    State(console): State<Console>,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = match console.posted(&browser, &headers, &body).await {
        Ok(form) => form,
        Err(refused) => return refused_form(&headers, &refused),
    };
    let created = async {
        let Some(user) = console.signed_in(&browser).await? else {
            return Ok(Redirect::to("/login?return_to=/connect").into_response());
        };
        match console.create(&user, &form, &headers).await? {
            Created::Kept(answer) => Ok(answer),
            Created::Made(made) => {
                let back = return_to(&form).filter(|_| made.auth != AuthKind::OAuth);
                let page = format!("/connections/{}", made.alias);
                Ok(Redirect::to(back.unwrap_or(&page)).into_response())
            }
            Created::Wrong(why) => console.new_connection(&browser, &user, (&form, Some(why))).await,
        }
    };
    created.await.unwrap_or_else(|cause| fault(&headers, &cause))
}

/// What a link here names, as far as it can be a server and an alias, encoded to come back to after a sign-in.
fn here(asked: &Form) -> String {
    let text = |name: &str| asked.one(name).ok().flatten().unwrap_or_default();
    let server = Slug::parse(text("server")).ok().map(|slug| format!("server%3D{slug}"));
    let alias = Alias::parse(text("alias")).ok().map(|alias| format!("alias%3D{alias}"));
    let named: Vec<String> = server.into_iter().chain(alias).collect();
    if named.is_empty() { String::new() } else { format!("%3F{}", named.join("%26")) }
}

/// Where consent goes on that was interrupted for this; nowhere else.
fn return_to(form: &Form) -> Option<&str> {
    let path = form.one("return_to").ok().flatten()?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
    let rest = path.strip_prefix("/oauth/consent?request=")?;
    rest.bytes().all(known).then_some(path)
}

/// What came of a form.
enum Created {
    Made(Box<Connection>),
    /// It was not right; why.
    Wrong(String),
    /// The policy keeps the person from it.
    Kept(Response),
}

impl Console {
    async fn create(&self, user: &User, form: &Form, headers: &HeaderMap) -> Result<Created, Fault> {
        let text = |name: &str| form.one(name).ok().flatten().unwrap_or_default();
        let alias = match Alias::parse(text("alias")) {
            Ok(alias) => alias,
            Err(error) => return Ok(Created::Wrong(error.to_string())),
        };
        let auth = AuthKind::parse(text("auth"));
        let offered = self.enrolment().servers().offered_to(&user.id).await?;
        let server = offered.iter().find(|server| server.slug.as_str() == text("server"));
        if let Some(kept) = self.kept_from(user, Managed::New(&alias, server), headers).await? {
            return Ok(Created::Kept(kept));
        }
        let filled = server.map(|server| answers(server, auth.unwrap_or(AuthKind::None), form));
        let application = Application {
            principal: user.id.clone(),
            alias,
            label: text("label").to_owned(),
            server: text("server").to_owned(),
            auth,
            answers: filled.unwrap_or_default(),
        };
        match self.enrolment().add(application).await {
            Ok(made) => Ok(Created::Made(Box::new(made))),
            Err(error) if error.is_internal() => Err(error.into()),
            Err(error) => Ok(Created::Wrong(error.to_string())),
        }
    }

    /// A server to choose. Where the policy would not let the person make a connection of this name, or of the one that the
    /// form suggests, it says why.
    async fn choice(&self, person: &Person, server: &Server, alias: &str) -> Result<ServerChoice, Fault> {
        let kept = match Alias::parse(alias).ok().or_else(|| suggestion(server)) {
            Some(alias) => self.would_keep(person, Managed::New(&alias, Some(server))).await?,
            None => None,
        };
        Ok(ServerChoice {
            slug: server.slug.to_string(),
            title: server.title.clone(),
            kind: server.kind.as_str(),
            kept,
        })
    }

    /// The list of servers, or the form of the one that was chosen; again, with why the last one was not taken.
    async fn new_connection(
        &self,
        browser: &Browser,
        user: &User,
        (asked, error): (&Form, Option<String>),
    ) -> Result<Response, Fault> {
        let text = |name: &str| asked.one(name).ok().flatten().unwrap_or_default();
        let csrf = browser.csrf_token().await?;
        let servers = self.enrolment().servers().offered_to(&user.id).await?;
        let chrome = Chrome::signed_in("Add a connection", &user.email, &csrf);
        let alias = Alias::parse(text("alias")).map_or_else(|_| String::new(), |alias| alias.to_string());
        let return_to = return_to(asked).unwrap_or_default().to_owned();
        let person = self.person(user).await?;
        let asked_for = servers.iter().find(|server| server.slug.as_str() == text("server"));
        // Nobody fills in a form that would be refused: the list says why.
        let chosen = match asked_for {
            Some(server) if self.choice(&person, server, &alias).await?.kept.is_none() => Some(server),
            _ => None,
        };
        let Some(server) = chosen else {
            let mut choices = Vec::with_capacity(servers.len());
            for server in &servers {
                choices.push(self.choice(&person, server, &alias).await?);
            }
            return Ok(page(StatusCode::OK, &ServersPage { chrome, servers: choices, alias, return_to }));
        };
        let asked_auth = AuthKind::parse(text("auth")).filter(|kind| server.auth.contains(kind));
        let auth = asked_auth.or_else(|| server.auth.first().copied()).unwrap_or(AuthKind::None);
        let given = error.is_some().then_some(asked);
        let form = ConnectionFormPage {
            chrome,
            csrf,
            action: "/connect".to_owned(),
            is_new: true,
            slug: server.slug.to_string(),
            server: server.title.clone(),
            alias: if alias.is_empty() {
                suggestion(server).map_or_else(String::new, |alias| alias.to_string())
            } else {
                alias
            },
            label: text("label").to_owned(),
            auth: auth.as_str(),
            header: server.header.name.clone(),
            others: server
                .auth
                .iter()
                .filter(|kind| **kind != auth)
                .map(|kind| WayToSignIn::of(*kind))
                .collect(),
            fields: fields(server, |name| {
                let posted = given.and_then(|form| form.one(&format!("value.{name}")).ok().flatten());
                posted.unwrap_or_default().to_owned()
            }),
            return_to,
            error,
        };
        let status = if form.error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        Ok(page(status, &form))
    }
}

/// A name to begin with: the server's, as far as an alias may hold it.
fn suggestion(server: &Server) -> Option<Alias> {
    let letters: String = server.slug.as_str().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    Alias::parse(&letters).ok()
}
