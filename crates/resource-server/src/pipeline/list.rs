//! Lists: what every connection that the grant reaches offers of one kind, in a stable order and in pages. Depends on
//! token, policy and what is stored alone (TOOL-1): a dead or slow upstream is named and harms no other.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_audit::Outcome;
use portcullis_oauth::VerifiedBearer;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::answer::Answer;
use super::case::Case;
use super::{Caller, manage, target};
use crate::connections::Connection;
use crate::offer::Kind;
use crate::policy::Ground;
use crate::protocol::{code, result};
use crate::refusal::Refusal;

/// Entries of one page.
const PAGE: usize = 500;

/// Answers a list from a cursor on.
pub(super) async fn of(
    caller: &Caller,
    case: &Case,
    kind: Kind,
    cursor: Option<&str>,
) -> Result<Answer, Refusal> {
    let mut asked = JoinSet::new();
    let mut missing = Map::new();
    for (place, connection) in reached(caller).await?.into_iter().enumerate() {
        if connection.status.is_in_use() {
            asked.spawn(shown(caller.clone(), Arc::new(connection), (place, kind), case.now));
        } else {
            missing.insert(connection.alias.to_string(), Value::from(connection.status.as_str()));
        }
    }
    let mut all = Vec::with_capacity(asked.len());
    while let Some(answer) = asked.join_next().await {
        let (place, alias, shown) = answer.map_err(|error| Refusal::unavailable(&error))?;
        match shown {
            Ok(shown) => all.push((place, shown)),
            Err(why) => {
                missing.insert(alias, Value::from(why));
            }
        }
    }
    all.sort_by_key(|(place, _)| *place);
    let own = if kind == Kind::Tools { manage::listed(caller) } else { Vec::new() };
    let all: Vec<(String, Value)> =
        own.into_iter().chain(all.into_iter().flat_map(|(_, shown)| shown)).collect();
    let page = page(caller, kind, all, cursor)?;
    caller.gateway.trail.note(case.end(&caller.gateway, Outcome::Done, "list")).await;
    Ok(Answer::Result(result::list(caller.era, kind, page, missing)))
}

/// What one connection offers to this caller.
async fn shown(
    caller: Caller,
    connection: Arc<Connection>,
    (place, kind): (usize, Kind),
    now: portcullis_oauth::Timestamp,
) -> (usize, String, Result<Vec<(String, Value)>, &'static str>) {
    let upstreams = &caller.gateway.upstreams;
    let shown = async {
        let trust = upstreams.trust(&connection).await.map_err(|_| "unavailable")?;
        let listing = upstreams.discovery().listing(&connection, kind, now).await?;
        let policy = caller.gateway.policy.current().await.map_err(|error| {
            tracing::error!(?error, "a list is empty because no policy can be read");
            "unavailable"
        })?;
        let ground = Ground::new(policy, caller.bearer.clone(), (Arc::clone(&connection), trust));
        let listed = ground.may_list(kind);
        let visible = |offer: &_| listed && ground.could_pass(&ground.listed((kind, offer)));
        Ok(listing.shown(caller.resource.alias.is_some(), visible))
    };
    let shown = shown.await;
    (place, connection.alias.to_string(), shown)
}

/// The connections behind this resource, by alias.
pub(super) async fn reached(caller: &Caller) -> Result<Vec<Connection>, Refusal> {
    if let Some(alias) = &caller.resource.alias {
        let unknown = || {
            let message = format!("There is no connection {alias} that this client may use.");
            Refusal::error("connection_unknown", code::INVALID_PARAMS, message)
        };
        let connection = target::find(caller, alias).await?.ok_or_else(unknown)?;
        return Ok(vec![Arc::unwrap_or_clone(connection)]);
    }
    let all = caller.gateway.connections.list(&caller.bearer.principal().id).await;
    let mut all = all.map_err(|error| Refusal::unavailable(&error))?;
    all.retain(|connection| caller.bearer.connections().reach(&connection.id));
    Ok(all)
}

/// One page, and the cursor of the next.
fn page(
    caller: &Caller,
    kind: Kind,
    mut all: Vec<(String, Value)>,
    cursor: Option<&str>,
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    if let Some(cursor) = cursor {
        let last = all.iter().position(|(name, _)| mark(&caller.bearer, kind, name) == cursor);
        let unknown = || Refusal::error("cursor_unknown", code::INVALID_PARAMS, "there is no such cursor");
        all.drain(..=last.ok_or_else(unknown)?);
    }
    let more = all.len() > PAGE;
    all.truncate(PAGE);
    let next = all.last().filter(|_| more).map(|(name, _)| mark(&caller.bearer, kind, name));
    Ok((all.into_iter().map(|(_, entry)| entry).collect(), next))
}

/// The cursor after an entry: it means something to this caller at this resource alone, and an unknown one to anybody else
/// (T18).
fn mark(bearer: &VerifiedBearer, kind: Kind, name: &str) -> String {
    let parts = [
        bearer.principal().id.as_str(),
        bearer.client_id().as_str(),
        bearer.resource().as_str(),
        kind.method(),
        name,
    ];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..16])
}
