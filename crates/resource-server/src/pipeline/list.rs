//! `tools/list`: the tools of every connection that the grant reaches, in a stable order. Depends on token, policy and
//! stored configuration alone (TOOL-1).

use portcullis_audit::Outcome;
use serde_json::{Map, Value};

use super::case::Case;
use super::{Caller, target};
use crate::connections::{Connection, ConnectionStatus};
use crate::policy;
use crate::protocol::{code, result};
use crate::refusal::Refusal;

/// Answers `tools/list`.
pub(super) async fn tools(caller: &Caller<'_>, case: &Case) -> Result<Value, Refusal> {
    let mut tools = Vec::new();
    let mut missing = Map::new();
    for connection in reached(caller).await? {
        if connection.status == ConnectionStatus::Active {
            tools.extend(of(caller, &connection));
        } else {
            missing.insert(connection.alias.to_string(), Value::from(connection.status.as_str()));
        }
    }
    caller.gateway.trail.note(case.event(case.now, Outcome::Done)).await;
    Ok(result::tools(caller.era, &tools, missing))
}

/// The connections behind this resource, by alias.
async fn reached(caller: &Caller<'_>) -> Result<Vec<Connection>, Refusal> {
    if let Some(alias) = &caller.resource.alias {
        let unknown = || {
            let message = format!("There is no connection {alias} that this client may use.");
            Refusal::error("connection_unknown", code::INVALID_PARAMS, message)
        };
        return Ok(vec![target::find(caller, alias).await?.ok_or_else(unknown)?]);
    }
    let all = caller.gateway.connections.list(&caller.bearer.principal().id).await;
    let mut all = all.map_err(|error| Refusal::unavailable(&error))?;
    all.retain(|connection| caller.bearer.connections().reach(&connection.id));
    Ok(all)
}

fn of(caller: &Caller<'_>, connection: &Connection) -> Vec<Value> {
    let tools = caller.gateway.upstreams.discovery().tools(connection).iter();
    let visible = tools.filter(|tool| policy::could_pass(&caller.bearer, connection, &tool.name));
    let named = visible.map(|tool| match caller.resource.alias {
        Some(_) => tool.listed_as(&tool.name),
        None => tool.listed_as(&format!("{}__{}", connection.alias, tool.name)),
    });
    named.collect()
}
