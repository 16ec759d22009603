//! Which connection and which tool, prompt or resource is meant. Somebody else's connection, one that the grant does not
//! reach, a hidden tool and one that does not exist are all the same unknown tool (TOOL-2, T18).

use std::sync::Arc;

use portcullis_oauth::Alias;
use portcullis_policy::Pin;
use serde_json::json;

use super::Caller;
use super::case::Case;
use super::note;
use crate::connections::Connection;
use crate::errand::Errand;
use crate::names;
use crate::offer::{Kind, LONGEST_ADDRESS, Offer};
use crate::policy::{Ground, Trust};
use crate::protocol::code;
use crate::refusal::Refusal;

/// What an errand means.
#[derive(Debug)]
pub(super) struct Target {
    /// What decisions about it stand on, the connection among it.
    pub(super) ground: Ground,
    /// What the policy sees of it.
    pub(super) seen: portcullis_policy::Target,
    /// What a list says of it, where lists are complete: templates stand for resources that no list names.
    pub(super) offer: Option<Arc<Offer>>,
    /// The upstream's own name for it.
    pub(super) own: String,
}

/// The target of an errand, whose name is one from a list.
pub(super) async fn locate(caller: &Caller, case: &mut Case, errand: &Errand) -> Result<Target, Refusal> {
    let name = errand.name();
    let (what, kind) = match errand {
        Errand::Tool { .. } => ("tool", Some(Kind::Tools)),
        Errand::Prompt { .. } | Errand::PromptCompletion { .. } => ("prompt", Some(Kind::Prompts)),
        Errand::Resource { .. } | Errand::ResourceCompletion { .. } => ("resource", None),
    };
    let unknown = |reason| {
        let refused = unknown(reason, (what, name));
        if kind.is_none() { refused.with_data(json!({"uri": shown(name)})) } else { refused }
    };
    let (alias, rest) = split(caller, errand).ok_or_else(|| unknown("tool_unknown"))?;
    let connection = find(caller, &alias).await?.ok_or_else(|| unknown("connection_unknown"))?;
    note::connection(caller, case, &connection).await;
    ready(caller, errand, &connection)?;
    let trust = caller.gateway.upstreams.trust(&connection).await;
    let trust = trust.map_err(|error| Refusal::unavailable(&error))?;
    let Some(kind) = kind else {
        // No list names it, so nothing else bounds it.
        if rest.len() > LONGEST_ADDRESS {
            let text = format!("uri is longer than {LONGEST_ADDRESS} bytes");
            return Err(Refusal::error("invalid_params", code::INVALID_PARAMS, text));
        }
        let ground = ground(caller, (connection, trust)).await?;
        return Ok(Target { seen: ground.addressed(rest), own: rest.to_owned(), offer: None, ground });
    };
    let discovery = caller.gateway.upstreams.discovery();
    let sought = (kind, caller.resource.alias.is_some(), name);
    let found = discovery.find(&connection, sought, case.now).await;
    let found = found.map_err(|why| out_of_reach(caller, errand, &connection, why))?;
    let offer = found.ok_or_else(|| unknown("tool_unknown"))?;
    let ground = ground(caller, (Arc::clone(&connection), trust)).await?;
    let seen = ground.listed((kind, &offer));
    if !ground.could_pass(&seen) {
        let hidden = ground.hidden_by(seen.clone(), (errand, case.now));
        note::decided(caller, case, hidden).await;
        return Err(match ground.held_by_pin(seen) {
            Some(Pin::Changed) => changed(caller, errand, &connection),
            Some(_) => unknown("tool_quarantined"),
            None => unknown("tool_unknown"),
        });
    }
    Ok(Target { own: offer.key.clone(), seen, offer: Some(offer), ground })
}

/// What decisions stand on from here: the policy is the one in force now, however long a server was waited for before.
async fn ground(caller: &Caller, at: (Arc<Connection>, Trust)) -> Result<Ground, Refusal> {
    let policy = caller.gateway.policy.current().await.map_err(|error| Refusal::unavailable(&error))?;
    Ok(Ground::new(policy, caller.bearer.clone(), at))
}

/// There is no such thing, as far as this caller goes.
pub(super) fn unknown(reason: &'static str, (what, name): (&str, &str)) -> Refusal {
    Refusal::error(reason, code::INVALID_PARAMS, format!("Unknown {what}: {}", shown(name)))
}

/// A stranger's name, as far as an answer repeats it.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// The connection of this alias, if it is the caller's and the grant reaches it.
pub(super) async fn find(caller: &Caller, alias: &Alias) -> Result<Option<Arc<Connection>>, Refusal> {
    let found = caller.gateway.connections.find_known(&caller.bearer.principal().id, alias).await;
    let found = found.map_err(|error| Refusal::unavailable(&error))?;
    Ok(found.filter(|connection| caller.bearer.connections().reach(&connection.id)))
}

/// Alias and name at the aggregate, the upstream's own name at one connection.
fn split<'n>(caller: &Caller, errand: &'n Errand) -> Option<(Alias, &'n str)> {
    match &caller.resource.alias {
        Some(alias) => Some((alias.clone(), errand.name())),
        None if errand.is_addressed() => names::unwrap_uri(errand.name()),
        None => names::split(errand.name()),
    }
}

/// A connection that is not active answers with what its owner can do about it.
fn ready(caller: &Caller, errand: &Errand, connection: &Connection) -> Result<(), Refusal> {
    if connection.status.is_in_use() {
        return Ok(());
    }
    let what = connection.status.in_words();
    let page = caller.gateway.registry.public_url();
    let text = format!("The connection {} {what}. Its owner can see to it at {page}/.", connection.alias);
    Err(told(errand, "connection_not_active", text))
}

/// What the caller may have known is not what it was (T27).
fn changed(caller: &Caller, errand: &Errand, connection: &Connection) -> Refusal {
    let page = caller.gateway.registry.public_url();
    let alias = &connection.alias;
    let text = format!(
        "This tool has changed since it was reviewed, so it waits. The owner of the connection {alias} can look at what \
         changed and release it at {page}/connections/{alias}."
    );
    told(errand, "tool_changed", text)
}

/// The upstream did not say what it offers.
fn out_of_reach(caller: &Caller, errand: &Errand, connection: &Connection, why: &str) -> Refusal {
    let page = caller.gateway.registry.public_url();
    let alias = &connection.alias;
    let text =
        format!("The server behind the connection {alias} did not answer ({why}). Its state is at {page}/.");
    told(errand, "connection_unreachable", text)
}

fn told(errand: &Errand, reason: &'static str, text: String) -> Refusal {
    match errand {
        Errand::Tool { .. } => Refusal::tool(reason, text),
        _ => Refusal::error(reason, code::INVALID_PARAMS, text),
    }
}
