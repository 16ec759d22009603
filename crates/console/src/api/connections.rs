//! `/connections`: everybody's, for those who administer this server. They see how each stands and can switch it off, on, and
//! remove it; they neither see nor give its credentials.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_oauth::ConnectionId;
use portcullis_oauth::scopes::{ADMIN_READ, ADMIN_WRITE};
use portcullis_resource_server::{Connection, Who};
use serde_json::Value;

use super::Api;
use super::operation::Operation;
use super::page::Query;
use super::problem::Problem;
use crate::shown;

const FILTERS: &[&str] = &["user", "server", "limit", "cursor"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(("listConnections", "/connections"), ADMIN_READ, list)
            .says("List everybody's connections, of one user or to one server.")
            .asks(FILTERS)
            .gives(200, "ConnectionPage"),
        Operation::get(("getConnection", "/connections/{id}"), ADMIN_READ, show)
            .says("Show one connection.")
            .gives(200, "Connection"),
        Operation::post(("enableConnection", "/connections/{id}/enable"), ADMIN_WRITE, enable)
            .says("Switch a connection on again, and try it out.")
            .gives(200, "Connection"),
        Operation::post(("disableConnection", "/connections/{id}/disable"), ADMIN_WRITE, disable)
            .says("Switch a connection off; its owner cannot switch it on again.")
            .gives(200, "Connection"),
        Operation::delete(("removeConnection", "/connections/{id}"), ADMIN_WRITE, remove)
            .says("Remove a connection, with its credentials and what clients were granted for it."),
    ]
}

async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(FILTERS)?;
    let server = query.text("server")?.map(str::to_owned);
    let mut all = match query.text("user")? {
        None => api.gateway.connections().list_all(server.as_deref()).await?,
        Some(email) => api.gateway.connections().list(&api.user(email).await?.id).await?,
    };
    all.retain(|connection| server.as_ref().is_none_or(|server| connection.server == *server));
    query.page(&all, |connection| connection.id.to_string(), shown::connection).map(Json)
}

async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &id).await?;
    let facts = api.gateway.authorization().of(&connection).await?;
    Ok(Json(shown::whole_connection(&connection, facts.as_ref())))
}

async fn enable(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &id).await?;
    let enabled = api.enrolment.enable(&connection, Who::Admin).await?;
    let still =
        || Problem::conflict("connection_not_off", "It is not switched off by itself; is its server?");
    Ok(Json(shown::connection(&enabled.ok_or_else(still)?)))
}

async fn disable(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &id).await?;
    api.gateway.connections().disable(&connection, Who::Admin).await?;
    Ok(Json(shown::connection(&find(&api, &id).await?)))
}

async fn remove(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let connection = find(&api, &id).await?;
    api.gateway.connections().remove(&connection).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(api: &Api, id: &str) -> Result<Connection, Problem> {
    let found = api.gateway.connections().get(&ConnectionId::from(id.to_owned())).await?;
    found.ok_or_else(|| Problem::missing("connection_unknown", "There is no connection with this id."))
}
