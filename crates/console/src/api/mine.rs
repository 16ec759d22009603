//! `/me`: the caller's own connections, and the servers to which they could make one. Whatever is somebody else's is not
//! there (T18). Needs `mcp.connections.manage`: here a client looks after all of its user's connections, which is what the
//! consent page says of that scope, and administers nothing.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_oauth::scopes::CONNECTIONS_MANAGE;
use portcullis_oauth::{Alias, Secret};
use portcullis_resource_server::catalogue::AuthKind;
use portcullis_resource_server::{
    Answers, Application, Connection, ConnectionError, EnrolmentError, Managed, NotManaged, Who,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::catalogue::sentence;
use super::operation::{Operation, PAGED};
use super::page::Query;
use super::problem::Problem;
use crate::shown;

/// What a caller may do with a connection of their own.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        Operation::get(("listMyServers", "/me/servers"), CONNECTIONS_MANAGE, servers)
            .says("List the servers to which you could make a connection, and what each asks you for.")
            .asks(PAGED)
            .gives(200, "OfferedServerPage"),
        Operation::get(("listMyConnections", "/me/connections"), CONNECTIONS_MANAGE, list)
            .says("List your connections, by alias.")
            .asks(PAGED)
            .gives(200, "ConnectionPage"),
        Operation::post(("addMyConnection", "/me/connections"), CONNECTIONS_MANAGE, add)
            .says("Make a connection, and try it out; one that signs in by OAuth waits until you did so in the browser.")
            .takes("NewConnection")
            .gives(201, "Connection"),
        Operation::get(("getMyConnection", "/me/connections/{alias}"), CONNECTIONS_MANAGE, show)
            .says("Show one of your connections.")
            .gives(200, "Connection"),
        Operation::get(("listMyTools", "/me/connections/{alias}/tools"), CONNECTIONS_MANAGE, tools)
            .says("List the tools of a connection, under their server's own names.")
            .gives(200, "Tools"),
        Operation::post(("renewMyConnection", "/me/connections/{alias}/renew"), CONNECTIONS_MANAGE, renew)
            .says("Give a connection other credentials or settings, and try it out.")
            .takes("Answers")
            .gives(200, "Connection"),
        Operation::post(("authorizeMyConnection", "/me/connections/{alias}/authorize"), CONNECTIONS_MANAGE, authorize)
            .says("Tell where a person authorises the connection in their browser: nothing is begun for them.")
            .gives(200, "Link"),
        Operation::delete(("removeMyConnection", "/me/connections/{alias}"), CONNECTIONS_MANAGE, remove)
            .says("Remove a connection, with its credentials and what clients were granted for it."),
    ];
    let acts = [
        Operation::post(("testMyConnection", "/me/connections/{alias}/test"), CONNECTIONS_MANAGE, test)
            .says("Try a connection out, the way a call goes."),
        Operation::post(("enableMyConnection", "/me/connections/{alias}/enable"), CONNECTIONS_MANAGE, enable)
            .says("Switch a connection on again, and try it out."),
        Operation::post(
            ("disableMyConnection", "/me/connections/{alias}/disable"),
            CONNECTIONS_MANAGE,
            disable,
        )
        .says("Switch a connection off."),
    ];
    operations.extend(acts.into_iter().map(|operation| operation.gives(200, "Connection")));
    operations
}

/// What somebody fills in. Secrets that are absent keep what was stored.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Filled {
    header: Option<String>,
    basic: Option<Basic>,
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
}

/// A user name and a password (RFC 7617).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Basic {
    user: String,
    password: String,
}

/// A connection that somebody asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    alias: String,
    server: String,
    #[serde(default)]
    label: String,
    auth: Option<String>,
    #[serde(default)]
    answers: Filled,
}

impl Filled {
    fn answers(self) -> Answers {
        let secret = |text: String| Secret::presented(text);
        Answers {
            settings: self.settings,
            secrets: self.secrets.into_iter().map(|(name, text)| (name, secret(text))).collect(),
            header: self.header.map(secret),
            basic: self.basic.map(|basic| (secret(basic.user), secret(basic.password))),
        }
    }
}

async fn servers(State(api): State<Api>, caller: Caller, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(PAGED)?;
    let all = api.enrolment.servers().offered_to(caller.id()).await?;
    query.page(&all, |server| server.slug.to_string(), shown::offered).map(Json)
}

async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(PAGED)?;
    let mut all = Vec::new();
    for connection in api.gateway.connections().list(caller.id()).await? {
        // What the policy keeps from this program is no more told than it is shown to it at `/mcp`.
        match managed(&api, &caller, Managed::Known(&connection)).await {
            Ok(()) => all.push(connection),
            Err(problem) if problem.is_refusal() => {}
            Err(problem) => return Err(problem),
        }
    }
    query.page(&all, |connection| connection.alias.to_string(), shown::connection).map(Json)
}

async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(alias): Path<String>,
) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &caller, &alias).await?;
    let facts = api.gateway.authorization().of(&connection).await?;
    Ok(Json(shown::whole_connection(&connection, facts.as_ref())))
}

async fn add(State(api): State<Api>, caller: Caller, Body(new): Body<New>) -> Result<Response, Problem> {
    let alias =
        Alias::parse(&new.alias).map_err(|error| Problem::unfit("alias_invalid", sentence(&error)))?;
    let auth = match new.auth.as_deref() {
        None => None,
        Some(name) => Some(
            AuthKind::parse(name)
                .ok_or_else(|| Problem::unfit("auth_unknown", "auth is none, header, basic or oauth."))?,
        ),
    };
    let offered = api.enrolment.servers().offered_to(caller.id()).await?;
    // What is hidden from the user is as good as not there, for rules that speak of it too.
    let server = offered.iter().find(|server| server.slug.as_str() == new.server);
    managed(&api, &caller, Managed::New(&alias, server)).await?;
    let application = Application {
        principal: caller.id().clone(),
        alias,
        label: new.label,
        server: new.server,
        auth,
        answers: new.answers.answers(),
    };
    let made = api.enrolment.add(application).await.map_err(|error| enrolment(&error))?;
    Ok((StatusCode::CREATED, Json(shown::connection(&made))).into_response())
}

async fn test(api: State<Api>, caller: Caller, path: Path<String>) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &caller, &path).await?;
    told(api.enrolment.test(&connection).await?)
}

async fn tools(
    State(api): State<Api>,
    caller: Caller,
    Path(alias): Path<String>,
) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &caller, &alias).await?;
    api.gateway.may_list(caller.bearer(), &connection).await.map_err(|error| match error {
        NotManaged::Denied(mut forbidden) => {
            forbidden.code = "list_forbidden";
            Problem::forbidden(forbidden)
        }
        NotManaged::Unreadable(_) => Problem::inside(&error),
    })?;
    let tools = api.gateway.tools(&connection).await.map_err(|why| {
        let told =
            format!("The server did not tell its tools ({why}); trying the connection out tells more.");
        Problem::new(StatusCode::BAD_GATEWAY, "server_unreached", told)
    })?;
    Ok(Json(json!({ "items": tools })))
}

async fn renew(
    State(api): State<Api>,
    caller: Caller,
    Path(alias): Path<String>,
    Body(filled): Body<Filled>,
) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &caller, &alias).await?;
    let answers = filled.answers().beside(&connection.settings);
    told(api.enrolment.renew(&connection, &answers).await.map_err(|error| enrolment(&error))?)
}

/// SBP-4: nothing goes to an upstream's authorization server but by the person's own post, so there is a link to the page with
/// the button.
async fn authorize(
    State(api): State<Api>,
    caller: Caller,
    Path(alias): Path<String>,
) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &caller, &alias).await?;
    if connection.auth != AuthKind::OAuth {
        return Err(Problem::conflict("connection_not_oauth", "This connection does not sign in by OAuth."));
    }
    Ok(Json(json!({ "url": api.registry.public_url().join(&format!("/connections/{}", connection.alias)) })))
}

async fn enable(api: State<Api>, caller: Caller, path: Path<String>) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &caller, &path).await?;
    let enabled = api.enrolment.enable(&connection, Who::Owner).await?;
    let still = || {
        Problem::conflict(
            "connection_not_off",
            "It is not off, or an administrator switched it or its server off.",
        )
    };
    Ok(Json(shown::connection(&enabled.ok_or_else(still)?)))
}

async fn disable(api: State<Api>, caller: Caller, path: Path<String>) -> Result<Json<Value>, Problem> {
    let connection = find(&api, &caller, &path).await?;
    api.gateway.connections().disable(&connection, Who::Owner).await?;
    told(api.gateway.connections().get(&connection.id).await?)
}

async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(alias): Path<String>,
) -> Result<StatusCode, Problem> {
    let connection = find(&api, &caller, &alias).await?;
    api.gateway.connections().remove(&connection).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn told(connection: Option<Connection>) -> Result<Json<Value>, Problem> {
    connection.map(|connection| Json(shown::connection(&connection))).ok_or_else(unknown)
}

async fn find(api: &Api, caller: &Caller, alias: &str) -> Result<Connection, Problem> {
    let alias = Alias::parse(alias).map_err(|_| unknown())?;
    let connection = api.gateway.connections().find(caller.id(), &alias).await?.ok_or_else(unknown)?;
    managed(api, caller, Managed::Known(&connection)).await?;
    Ok(connection)
}

/// Whether the policy lets this program look after it.
async fn managed(api: &Api, caller: &Caller, what: Managed<'_>) -> Result<(), Problem> {
    api.gateway.may_manage(caller.bearer(), what).await.map_err(|error| match error {
        NotManaged::Denied(forbidden) => Problem::forbidden(forbidden),
        NotManaged::Unreadable(_) => Problem::inside(&error),
    })
}

fn unknown() -> Problem {
    Problem::missing("connection_unknown", "You have no connection of this name.")
}

fn enrolment(error: &EnrolmentError) -> Problem {
    match error {
        error if error.is_internal() => Problem::inside(error),
        EnrolmentError::Connection(ConnectionError::AliasTaken | ConnectionError::AliasEnding) => {
            Problem::conflict("alias_taken", sentence(error))
        }
        EnrolmentError::NoServer(_) => Problem::unfit("server_unknown", sentence(error)),
        _ => Problem::unfit("connection_invalid", sentence(error)),
    }
}
