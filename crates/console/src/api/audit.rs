//! `/audit/events`: the paper trail, the newest first.

use axum::Json;
use axum::extract::State;
use portcullis_audit::{Cursor, Kept, Order, Outcome, Query as Wanted};
use portcullis_oauth::scopes::ADMIN_READ;
use portcullis_oauth::{ClientId, ConnectionId, PrincipalId};
use serde_json::Value;

use super::Api;
use super::operation::Operation;
use super::page::{Query, paged};
use super::problem::Problem;

const FILTERS: &[&str] = &[
    "user",
    "client",
    "connection",
    "tool",
    "action",
    "decision",
    "trace",
    "since",
    "until",
    "limit",
    "cursor",
];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(("searchEvents", "/audit/events"), ADMIN_READ, search)
            .says(
                "Search the paper trail, the newest first. user is an address or a principal's id; since and until are \
                 seconds since 1970.",
            )
            .asks(FILTERS)
            .gives(200, "EventPage"),
    ]
}

async fn search(State(api): State<Api>, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(FILTERS)?;
    let text = |name| query.text(name).map(|text| text.map(str::to_owned));
    let outcome = match query.text("decision")? {
        None => None,
        Some(word) => Some(
            Outcome::parse(word)
                .ok_or_else(|| Problem::invalid("query", "decision is started, done, refused or failed."))?,
        ),
    };
    let wanted = Wanted {
        principal: principal(&api, query.text("user")?).await?,
        client: text("client")?.map(ClientId::from),
        connection: text("connection")?.map(ConnectionId::from),
        tool: text("tool")?,
        action: text("action")?,
        outcome,
        trace_id: text("trace")?,
        since: query.moment("since")?,
        until: query.moment("until")?,
    };
    let after = query.cursor(Cursor::decode)?;
    let (events, next) = api.records.page(&wanted, Order::Newest, after.as_ref(), query.limit()?).await?;
    let events: Vec<Value> = events.iter().map(Kept::to_json).collect();
    Ok(Json(paged(&events, next.map(|cursor| cursor.encode()).as_deref())))
}

/// Whoever has this address, or the principal with this id, though they may have gone.
async fn principal(api: &Api, user: Option<&str>) -> Result<Option<PrincipalId>, Problem> {
    match user {
        Some(email) if email.contains('@') => api.user(email).await.map(|user| Some(user.id)),
        id => Ok(id.map(|id| PrincipalId::from(id.to_owned()))),
    }
}
