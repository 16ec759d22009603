//! `/attempts`: why an authorization failed, step by step.

use axum::Json;
use axum::extract::{Path, State};
use portcullis_authorization_server::{AttemptCursor, AttemptFilter};
use portcullis_oauth::ClientId;
use portcullis_oauth::scopes::ADMIN_READ;
use serde_json::Value;

use super::Api;
use super::operation::Operation;
use super::page::{Query, paged};
use super::problem::Problem;
use crate::shown;

const FILTERS: &[&str] = &["client", "user", "failed", "since", "limit", "cursor"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(("listAttempts", "/attempts"), ADMIN_READ, list)
            .says("List the authorization attempts of the last week, the newest first.")
            .asks(FILTERS)
            .gives(200, "AttemptPage"),
        Operation::get(("getAttempt", "/attempts/{id}"), ADMIN_READ, show)
            .says("Show one attempt, by its number or the id of one of its requests: what was expected, and what came.")
            .gives(200, "Attempt"),
    ]
}

async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(FILTERS)?;
    let user = match query.text("user")? {
        None => None,
        Some(email) => Some(api.user(email).await?.id),
    };
    let failed = match query.text("failed")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::invalid("query", "failed is true or false.")),
    };
    let since = query.moment("since")?;
    let client = query.text("client")?.map(|id| ClientId::from(id.to_owned()));
    let after = query.cursor(AttemptCursor::decode)?;
    let filter = AttemptFilter { client, user, failed, since };
    let found = api.authorization.attempts().list(&filter, after.as_ref(), query.limit()?).await?;
    let (attempts, next) = found;
    let items: Vec<Value> = attempts.iter().map(shown::attempt).collect();
    Ok(Json(paged(&items, next.map(|cursor| cursor.encode()).as_deref())))
}

async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = api.authorization.attempts().show(&id).await?;
    let unknown =
        || Problem::missing("attempt_unknown", "No attempt or request of the last week has this id.");
    Ok(Json(shown::whole_attempt(&found.ok_or_else(unknown)?)))
}
