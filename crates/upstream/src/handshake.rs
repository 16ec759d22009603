//! What the first messages to a server say and what their answers mean, whatever carries them: `server/discover` of the
//! stateless era, `initialize` of those with sessions.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Era, Failure, Greeting, Revision, RpcError, message, meta};

/// The stateless probe.
pub(crate) const DISCOVER: &str = "server/discover";
/// The ids of the two; those of other requests come after them.
pub(crate) const DISCOVER_ID: u64 = 1;
/// See [`DISCOVER_ID`].
pub(crate) const INITIALIZE_ID: u64 = 2;
/// The first id of any other request.
pub(crate) const FIRST_ID: u64 = 3;
/// -32020 `HeaderMismatch`, -32021 `MissingRequiredClientCapability`, -32022 `UnsupportedProtocolVersion`.
const MODERN: [i64; 3] = [-32_020, -32_021, UNSUPPORTED_VERSION];
/// The server does not speak the revision that a request was written in.
pub(crate) const UNSUPPORTED_VERSION: i64 = -32_022;

/// What the probe showed.
pub(crate) enum Probe {
    /// A server of the stateless era.
    Stateless(Greeting),
    /// One of the other era, or one that speaks both and not our revision of this one.
    Other,
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    protocol_version: String,
}

/// The probe as it goes out.
pub(crate) fn discover(capabilities: &RawValue) -> Result<Vec<u8>, Failure> {
    let prepared = meta::prepare(None, Revision::V2026_07_28, capabilities, DISCOVER_ID)?;
    message::request(DISCOVER_ID, DISCOVER, prepared.params.as_deref())
}

/// `initialize` as it goes out.
pub(crate) fn initialize(capabilities: &RawValue) -> Result<Vec<u8>, Failure> {
    message::request(INITIALIZE_ID, "initialize", Some(&*meta::initialize(capabilities)?))
}

/// What follows the answer to `initialize`.
pub(crate) fn initialized() -> Result<Vec<u8>, Failure> {
    message::notification("notifications/initialized", None)
}

/// Judges how the probe ended. Only a result or an error of the stateless era identifies it; whatever else a server
/// answers, it does not know the era (2026-07-28, "Backward Compatibility").
pub(crate) fn discovered(outcome: Result<Box<RawValue>, Failure>) -> Result<Probe, Failure> {
    let revision = Revision::V2026_07_28;
    match outcome {
        Ok(result) => match serde_json::from_str::<Discovered>(result.get()) {
            Ok(discovered) if speaks_ours(&discovered.supported_versions)? => {
                Ok(Probe::Stateless(Greeting { revision, result: result.into() }))
            }
            _ => Ok(Probe::Other),
        },
        Err(Failure::Rpc(error)) if MODERN.contains(&error.code) => refused(error),
        Err(Failure::Rpc(_) | Failure::Status { .. } | Failure::NotMcp { .. }) => Ok(Probe::Other),
        Err(failure) => Err(failure),
    }
}

/// Whether the stateless revision of ours is among those that a server speaks, or one with sessions at least.
fn speaks_ours(supported: &[String]) -> Result<bool, Failure> {
    let mut known = supported.iter().filter_map(|name| Revision::parse(name)).peekable();
    if known.peek().is_none() {
        return Err(Failure::not_mcp("the server speaks no revision of MCP that is spoken here"));
    }
    Ok(known.any(|revision| revision.era() == Era::Stateless))
}

fn refused(error: RpcError) -> Result<Probe, Failure> {
    let data = error.data.as_deref().filter(|_| error.code == UNSUPPORTED_VERSION);
    match data.map(|data| serde_json::from_str::<Unsupported>(data.get())) {
        Some(Ok(unsupported)) if !speaks_ours(&unsupported.supported)? => Ok(Probe::Other),
        _ => Err(Failure::Rpc(error)),
    }
}

/// Reads the answer to `initialize`.
pub(crate) fn greeted(result: Box<RawValue>) -> Result<Greeting, Failure> {
    let initialized: Initialized = serde_json::from_str(result.get())
        .map_err(|_| Failure::not_mcp("the answer to initialize names no revision"))?;
    let revision = Revision::parse(&initialized.protocol_version)
        .filter(|revision| revision.era() == Era::Session)
        .ok_or_else(|| Failure::not_mcp("the server chose a revision of MCP that is not spoken here"))?;
    Ok(Greeting { revision, result: result.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn verdict(outcome: Result<&str, (i64, &str)>) -> &'static str {
        let outcome = outcome.map(raw).map_err(|(code, data)| {
            Failure::Rpc(RpcError { code, message: String::new(), data: Some(raw(data)) })
        });
        match discovered(outcome) {
            Ok(Probe::Stateless(_)) => "stateless",
            Ok(Probe::Other) => "other",
            Err(failure) => failure.as_str(),
        }
    }

    /// HTTP26-22: a server is of the stateless era only if it says so in that era's own words
    #[test]
    fn the_era_is_what_the_server_says_in_its_words() {
        for (outcome, expected) in [
            (Ok(r#"{"supportedVersions":["2026-07-28","2025-11-25"]}"#), "stateless"),
            (Ok(r#"{"supportedVersions":["2027-01-01","2025-11-25"]}"#), "other"),
            (Ok(r#"{"supportedVersions":["2027-01-01"]}"#), "upstream_not_mcp"),
            (Ok(r#"{"anything":1}"#), "other"),
            (Err((-32_022, r#"{"supported":["2025-06-18"],"requested":"2026-07-28"}"#)), "other"),
            (Err((-32_022, r#"{"supported":["1900-01-01"],"requested":"2026-07-28"}"#)), "upstream_not_mcp"),
            (Err((-32_021, "{}")), "upstream_error"),
            (Err((-32_601, "null")), "other"),
            (Err((-32_000, "null")), "other"),
        ] {
            assert_eq!(verdict(outcome), expected, "{outcome:?}");
        }
    }

    #[test]
    fn initialize_is_answered_with_a_revision_of_its_era() {
        assert!(greeted(raw(r#"{"protocolVersion":"2024-11-05"}"#)).is_ok());
        for bad in [r#"{"protocolVersion":"2026-07-28"}"#, r#"{"protocolVersion":"1"}"#, "{}"] {
            assert!(greeted(raw(bad)).is_err(), "{bad}");
        }
    }
}
