//! Finding out what a server speaks: the stateless era is tried first, and what is not clearly of it falls back to
//! `initialize` (2026-07-28, "Backward Compatibility").

use http::HeaderValue;
use serde::Deserialize;

use super::headers;
use super::wire::Wire;
use crate::{Endpoint, Era, Failure, Greeting, Request, Revision, RpcError, message, meta};

const DISCOVER: &str = "server/discover";
/// -32020 `HeaderMismatch`, -32021 `MissingRequiredClientCapability`, -32022 `UnsupportedProtocolVersion`.
const MODERN: [i64; 3] = [-32_020, -32_021, UNSUPPORTED_VERSION];
const UNSUPPORTED_VERSION: i64 = -32_022;

/// A server that was greeted.
pub(super) struct Opened {
    pub(super) greeting: Greeting,
    pub(super) session: Option<HeaderValue>,
}

/// What a stateless attempt showed.
enum Probe {
    Stateless(Greeting),
    /// It is of the other era, or speaks both and not our revision of this one.
    Other,
}

/// Greets the server.
pub(super) async fn open(wire: &Wire, endpoint: &Endpoint) -> Result<Opened, Failure> {
    let is_session = endpoint.remembered.is_some_and(|revision| revision.era() == Era::Session);
    if !is_session && let Probe::Stateless(greeting) = discover(wire, endpoint).await? {
        return Ok(Opened { greeting, session: None });
    }
    initialize(wire, endpoint).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Discovered {
    supported_versions: Vec<String>,
}

#[derive(Deserialize)]
struct Unsupported {
    supported: Vec<String>,
}

async fn discover(wire: &Wire, endpoint: &Endpoint) -> Result<Probe, Failure> {
    const ID: u64 = 1;
    let revision = Revision::V2026_07_28;
    let prepared = meta::prepare(None, revision, &endpoint.capabilities, ID)?;
    let body = message::request(ID, DISCOVER, prepared.params.as_deref())?;
    let mut named = headers::of_revision(revision, None);
    headers::mirror(&mut named, &Request::new(DISCOVER), None)?;
    let reply = wire.post(wire.headers(), named, body).await?;
    let outcome =
        if reply.is_success() { reply.into_result(ID, wire).await } else { Err(reply.into_refusal().await) };
    match outcome {
        Ok(result) => {
            let Ok(discovered) = serde_json::from_str::<Discovered>(result.get()) else {
                return Ok(Probe::Other);
            };
            judge(&discovered.supported_versions)
                .map(|is_ours| if is_ours { Some(revision) } else { None })
                .map(|revision| match revision {
                    Some(revision) => Probe::Stateless(Greeting { revision, result: result.into() }),
                    None => Probe::Other,
                })
        }
        Err(Failure::Rpc(error)) if MODERN.contains(&error.code) => refused(error),
        // Anything else identifies a server that does not know this era.
        Err(Failure::Rpc(_) | Failure::Status { .. } | Failure::NotMcp { .. }) => Ok(Probe::Other),
        Err(failure) => Err(failure),
    }
}

/// Whether the stateless revision of ours is among those that a server speaks, or one with sessions at least.
fn judge(supported: &[String]) -> Result<bool, Failure> {
    let ours: Vec<_> = supported.iter().filter_map(|name| Revision::parse(name)).collect();
    if ours.is_empty() {
        return Err(Failure::not_mcp("the server speaks no revision of MCP that is spoken here"));
    }
    Ok(ours.contains(&Revision::V2026_07_28))
}

fn refused(error: RpcError) -> Result<Probe, Failure> {
    let data = error.data.as_deref().filter(|_| error.code == UNSUPPORTED_VERSION);
    let Some(Ok(unsupported)) = data.map(|data| serde_json::from_str::<Unsupported>(data.get())) else {
        return Err(Failure::Rpc(error));
    };
    if judge(&unsupported.supported)? { Err(Failure::Rpc(error)) } else { Ok(Probe::Other) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    protocol_version: String,
}

async fn initialize(wire: &Wire, endpoint: &Endpoint) -> Result<Opened, Failure> {
    const ID: u64 = 2;
    let params = meta::initialize(&endpoint.capabilities)?;
    let body = message::request(ID, "initialize", Some(&params))?;
    let reply = wire.post(wire.headers(), http::HeaderMap::new(), body).await?;
    let session = reply.headers.get(headers::SESSION).cloned();
    let result = reply.into_result(ID, wire).await?;
    let initialized: Initialized = serde_json::from_str(result.get())
        .map_err(|_| Failure::not_mcp("the answer to initialize names no revision"))?;
    let revision = Revision::parse(&initialized.protocol_version)
        .filter(|revision| revision.era() == Era::Session)
        .ok_or_else(|| Failure::not_mcp("the server chose a revision of MCP that is not spoken here"))?;
    let body = message::notification("notifications/initialized", None)?;
    let named = headers::of_revision(revision, session.as_ref());
    let reply = wire.post(wire.headers(), named, body).await?;
    if !reply.is_success() {
        return Err(reply.into_refusal().await);
    }
    reply.finish();
    Ok(Opened { greeting: Greeting { revision, result: result.into() }, session })
}
