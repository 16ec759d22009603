//! `/servers`: the upstream servers that are offered, for those who administer this server.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_oauth::PrincipalId;
use portcullis_oauth::scopes::{ADMIN_READ, ADMIN_WRITE};
use portcullis_resource_server::catalogue::{
    Description, DescriptionError, Imported, Relays, RemoveServerError, Server, ServerError, read_desktop,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::Body;
use super::operation::{Operation, PAGED};
use super::page::Query;
use super::problem::Problem;
use crate::shown;

/// No more servers are taken at once.
const MOST: usize = 100;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(("listServers", "/servers"), ADMIN_READ, list)
            .says("List the servers of the catalogue, by name.")
            .asks(PAGED)
            .gives(200, "ServerPage"),
        Operation::get(("getServer", "/servers/{slug}"), ADMIN_READ, show)
            .says("Show one server.")
            .gives(200, "Server"),
        Operation::post(("addServer", "/servers"), ADMIN_WRITE, add)
            .says("Offer a server to users.")
            .takes("ServerDescription")
            .gives(201, "Server"),
        Operation::post(("importServers", "/servers/import"), ADMIN_WRITE, import)
            .says("Offer every server of a desktop client's configuration; secrets in it are not taken over.")
            .takes("DesktopConfiguration")
            .gives(201, "ImportedServers"),
        Operation::post(("enableServer", "/servers/{slug}/enable"), ADMIN_WRITE, enable)
            .says("Let users connect to a server again.")
            .gives(200, "Server"),
        Operation::post(("disableServer", "/servers/{slug}/disable"), ADMIN_WRITE, disable)
            .says("Switch a server and every connection to it off.")
            .gives(200, "Server"),
        Operation::post(("setServerRelays", "/servers/{slug}/relays"), ADMIN_WRITE, set_relays)
            .says("Say what a server may ask clients for; what is under way there ends.")
            .takes("ServerRelays")
            .gives(200, "Server"),
        Operation::delete(("removeServer", "/servers/{slug}"), ADMIN_WRITE, remove)
            .says("Remove a server, with every connection to it and what was sealed for them."),
    ]
}

async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(PAGED)?;
    let all = api.enrolment.servers().list().await?;
    query.page(&all, |server| server.slug.to_string(), shown::server).map(Json)
}

async fn show(State(api): State<Api>, Path(slug): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(shown::server(&find(&api, &slug).await?)))
}

async fn add(State(api): State<Api>, Body(described): Body<Description>) -> Result<Response, Problem> {
    let server = read(&api, described).await?;
    create(&api, &server).await?;
    let kept = find(&api, server.slug.as_str()).await?;
    Ok((StatusCode::CREATED, Json(shown::server(&kept))).into_response())
}

/// All of them or none, as far as can be told beforehand.
async fn import(State(api): State<Api>, Body(document): Body<Value>) -> Result<Response, Problem> {
    let imported =
        read_desktop(&document.to_string()).map_err(|why| Problem::unfit("import_invalid", why))?;
    if imported.is_empty() || imported.len() > MOST {
        return Err(Problem::unfit("import_invalid", format!("There are 1 to {MOST} servers in it.")));
    }
    let mut ready = Vec::with_capacity(imported.len());
    for Imported { description, notes } in imported {
        let server = read(&api, description).await?;
        if api.enrolment.servers().find(server.slug.as_str()).await?.is_some() {
            return Err(Problem::conflict(
                "server_taken",
                format!("There is a server {} already.", server.slug),
            ));
        }
        ready.push((server, notes));
    }
    let mut told = Vec::with_capacity(ready.len());
    for (server, notes) in ready {
        create(&api, &server).await?;
        let kept = find(&api, server.slug.as_str()).await?;
        told.push(json!({ "server": shown::server(&kept), "notes": notes }));
    }
    Ok((StatusCode::CREATED, Json(json!({ "items": told }))).into_response())
}

async fn enable(api: State<Api>, path: Path<String>) -> Result<Json<Value>, Problem> {
    set_disabled(&api, &path, false).await
}

async fn disable(api: State<Api>, path: Path<String>) -> Result<Json<Value>, Problem> {
    set_disabled(&api, &path, true).await
}

async fn set_disabled(api: &Api, slug: &str, disabled: bool) -> Result<Json<Value>, Problem> {
    let server = find(api, slug).await?;
    api.enrolment.servers().set_disabled(&server.slug, disabled).await?;
    Ok(Json(shown::server(&find(api, slug).await?)))
}

/// What a server may ask clients for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asks {
    relays: Vec<String>,
}

async fn set_relays(
    State(api): State<Api>,
    Path(slug): Path<String>,
    Body(asks): Body<Asks>,
) -> Result<Json<Value>, Problem> {
    let relays = Relays::parse(asks.relays.iter().map(String::as_str));
    let relays = relays.map_err(|unknown| Problem::unfit("server_invalid", sentence(&unknown)))?;
    let server = find(&api, &slug).await?;
    api.enrolment.servers().set_relays(&server.slug, relays).await.map_err(refused)?;
    Ok(Json(shown::server(&find(&api, &slug).await?)))
}

async fn remove(State(api): State<Api>, Path(slug): Path<String>) -> Result<StatusCode, Problem> {
    let server = find(&api, &slug).await?;
    api.enrolment.remove_server(&server.slug).await.map_err(|error| match error {
        RemoveServerError::Database(error) => error.into(),
        RemoveServerError::BuiltIn => Problem::conflict("server_built_in", sentence(&error)),
        RemoveServerError::InUse => Problem::conflict("server_in_use", sentence(&error)),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(api: &Api, slug: &str) -> Result<Server, Problem> {
    let found = api.enrolment.servers().find(slug).await?;
    found.ok_or_else(|| Problem::missing("server_unknown", "There is no server of this name."))
}

/// The server that is described, with those who may connect to it found by their addresses.
async fn read(api: &Api, described: Description) -> Result<Server, Problem> {
    let users = match &described.users {
        None => None,
        Some(emails) => Some(resolve(api, emails).await?),
    };
    described
        .server(users)
        .map_err(|error: DescriptionError| Problem::unfit("server_invalid", sentence(&error)))
}

async fn resolve(api: &Api, emails: &[String]) -> Result<Vec<PrincipalId>, Problem> {
    let mut found = Vec::with_capacity(emails.len());
    for email in emails {
        let user = api.authorization.users().find_by_email(email).await?;
        let unknown = || Problem::unfit("user_unknown", format!("Nobody has the e-mail address {email}."));
        found.push(user.ok_or_else(unknown)?.id);
    }
    Ok(found)
}

async fn create(api: &Api, server: &Server) -> Result<(), Problem> {
    let on_loopback = api.registry.public_url().is_loopback();
    api.enrolment.servers().create(server, on_loopback).await.map_err(refused)
}

/// Why the catalogue does not take a server as it is written.
fn refused(error: ServerError) -> Problem {
    match error {
        ServerError::Database(error) => error.into(),
        ServerError::Taken => Problem::conflict("server_taken", sentence(&error)),
        error => Problem::unfit("server_invalid", sentence(&error)),
    }
}

/// An error's words as a sentence.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let words = error.to_string();
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
