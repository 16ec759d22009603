//! Which connection and which tool a call means. Somebody else's connection, one that the grant does not reach, a hidden
//! tool and one that does not exist are all the same unknown tool (TOOL-2, T18).

use portcullis_oauth::Alias;

use super::Caller;
use super::case::Case;
use crate::connections::{Connection, ConnectionStatus};
use crate::policy;
use crate::protocol::code;
use crate::refusal::Refusal;
use crate::tool::Tool;

/// The connection and the tool behind a name from a list.
pub(super) async fn locate<'a>(
    caller: &Caller<'a>,
    case: &mut Case,
    name: &str,
) -> Result<(Connection, &'a Tool), Refusal> {
    let unknown = |reason| {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        Refusal::error(reason, code::INVALID_PARAMS, format!("Unknown tool: {shown}"))
    };
    let (alias, tool) = split(caller, name).ok_or_else(|| unknown("tool_unknown"))?;
    let connection = find(caller, &alias).await?.ok_or_else(|| unknown("connection_unknown"))?;
    case.connection(&connection.id);
    ready(caller, &connection)?;
    let found = caller.gateway.upstreams.discovery().tool(&connection, tool);
    let visible = found.filter(|tool| policy::could_pass(&caller.bearer, &connection, &tool.name));
    visible.map(|tool| (connection, tool)).ok_or_else(|| unknown("tool_unknown"))
}

/// The connection of this alias, if it is the caller's and the grant reaches it.
pub(super) async fn find(caller: &Caller<'_>, alias: &Alias) -> Result<Option<Connection>, Refusal> {
    let found = caller.gateway.connections.find(&caller.bearer.principal().id, alias).await;
    let found = found.map_err(|error| Refusal::unavailable(&error))?;
    Ok(found.filter(|connection| caller.bearer.connections().reach(&connection.id)))
}

/// `alias__tool` at the aggregate, the upstream's own name at one connection.
fn split<'n>(caller: &Caller<'_>, name: &'n str) -> Option<(Alias, &'n str)> {
    match &caller.resource.alias {
        Some(alias) => Some((alias.clone(), name)),
        None => {
            let (alias, tool) = name.split_once("__")?;
            Some((Alias::parse(alias).ok()?, tool))
        }
    }
}

/// A connection that is not active answers with what its owner can do about it.
fn ready(caller: &Caller<'_>, connection: &Connection) -> Result<(), Refusal> {
    if connection.status == ConnectionStatus::Active {
        return Ok(());
    }
    let what = connection.status.in_words();
    let page = caller.gateway.registry.public_url();
    Err(Refusal::tool(
        "connection_not_active",
        format!("The connection {} {what}. Its owner can see to it at {page}/.", connection.alias),
    ))
}
