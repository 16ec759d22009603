//! `/blocks`: tools that nobody may call, at once and whatever policies say.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_oauth::ConnectionId;
use portcullis_oauth::scopes::{ADMIN_READ, ADMIN_WRITE};
use portcullis_resource_server::{BlockedAt, ToolBlock};
use serde::Deserialize;
use serde_json::Value;

use super::Api;
use super::body::Body;
use super::caller::Caller;
use super::operation::{Operation, PAGED};
use super::page::Query;
use super::problem::Problem;
use crate::shown;

/// What names a block.
const PLACE: &[&str] = &["tool", "server", "connection"];
/// Longer names and notes are refused, in characters.
const LONGEST: usize = 500;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(("listBlocks", "/blocks"), ADMIN_READ, list)
            .says("List every blocked tool, by name and place.")
            .asks(PAGED)
            .gives(200, "BlockPage"),
        Operation::post(("blockTool", "/blocks"), ADMIN_WRITE, block)
            .says("Block a tool: everywhere, at one server, or at one connection.")
            .takes("NewBlock")
            .gives(201, "Block"),
        Operation::delete(("unblockTool", "/blocks"), ADMIN_WRITE, unblock)
            .says("Take a block away, of exactly this tool and place.")
            .asks(PLACE),
    ]
}

async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>, Problem> {
    let query = query.only(PAGED)?;
    query.page(&api.blocks.list().await?, key, shown::block).map(Json)
}

fn key(block: &ToolBlock) -> String {
    format!("{} {}", block.tool, block.at.in_words())
}

/// A tool, by its server's own name for it, and where it is to be blocked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    tool: String,
    server: Option<String>,
    connection: Option<String>,
    #[serde(default)]
    note: String,
}

async fn block(State(api): State<Api>, caller: Caller, Body(new): Body<New>) -> Result<Response, Problem> {
    let at = place(new.server, new.connection)?;
    let readable = |text: &str| text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    if new.tool.is_empty() || !readable(&new.tool) || !readable(&new.note) {
        let told =
            "A tool has a name, and name and note have at most 500 characters and no control characters.";
        return Err(Problem::unfit("block_invalid", told));
    }
    if !api.blocks.block(&new.tool, &at, &caller.author(), &new.note).await? {
        return Err(Problem::conflict("block_there", "The tool is blocked there already."));
    }
    let all = api.blocks.list().await?;
    let made = all.iter().find(|block| block.tool == new.tool && block.at == at);
    let gone = || Problem::conflict("block_gone", "Somebody else took the block away at the same moment.");
    Ok((StatusCode::CREATED, Json(shown::block(made.ok_or_else(gone)?))).into_response())
}

async fn unblock(State(api): State<Api>, caller: Caller, query: Query) -> Result<StatusCode, Problem> {
    let query = query.only(PLACE)?;
    let text = |name| query.text(name).map(|text| text.map(str::to_owned));
    let at = place(text("server")?, text("connection")?)?;
    let tool = text("tool")?.unwrap_or_default();
    if !api.blocks.unblock(&tool, &at, &caller.author()).await? {
        return Err(Problem::missing("block_unknown", "There is no block of exactly this tool and place."));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn place(server: Option<String>, connection: Option<String>) -> Result<BlockedAt, Problem> {
    match (server, connection) {
        (None, None) => Ok(BlockedAt::Anywhere),
        (Some(name), None) => Ok(BlockedAt::Server(name)),
        (None, Some(id)) => Ok(BlockedAt::Connection(ConnectionId::from(id))),
        (Some(_), Some(_)) => {
            Err(Problem::invalid("block_invalid", "Name a server or a connection, not both."))
        }
    }
}
