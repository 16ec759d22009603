//! The headers that MCP demands of a client: revision, session, and what of the body is mirrored (2026-07-28, "Request
//! Metadata").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Failure, Request, Revision};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const PARAM: &str = "mcp-param-";

/// Which revision a message is written in, and in which session. The header came with 2025-06-18; servers of before
/// ignore it.
pub(super) fn of_revision(revision: Revision, session: Option<&HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_static(revision.as_str()));
    if let Some(session) = session {
        headers.insert(SESSION, session.clone());
    }
    headers
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
    uri: Option<String>,
}

/// Writes `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*` from the body that goes out, so that they agree with it
/// (HTTP26-4, -5, -10).
pub(super) fn mirror(
    headers: &mut HeaderMap,
    request: &Request,
    params: Option<&RawValue>,
) -> Result<(), Failure> {
    headers.insert(METHOD, encoded(&request.method)?);
    let named = || -> Option<Named> { serde_json::from_str(params?.get()).ok() };
    let name = match request.method.as_str() {
        "tools/call" | "prompts/get" => named().and_then(|named| named.name),
        "resources/read" => named().and_then(|named| named.uri),
        _ => None,
    };
    if let Some(name) = name {
        headers.insert(NAME, encoded(&name)?);
    }
    for (name, value) in &request.mirrored {
        let name = HeaderName::from_bytes(format!("{PARAM}{name}").as_bytes())
            .map_err(|_| Failure::not_mcp("a tool wants a parameter mirrored under no header's name"))?;
        headers.insert(name, encoded(value)?);
    }
    Ok(())
}

/// "Value Encoding": what is not plain ASCII, or looks encoded, is encoded.
fn encoded(value: &str) -> Result<HeaderValue, Failure> {
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && value.trim_matches([' ', '\t']) == value
        && !(value.starts_with("=?base64?") && value.ends_with("?="));
    let text = if is_plain { value.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(value)) };
    HeaderValue::from_str(&text).map_err(|_| Failure::not_mcp("a value that no header can hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HTTP26-6: the examples of the specification
    #[test]
    fn values_are_encoded_where_a_header_could_not_hold_them() {
        for (value, header) in [
            ("us-west1", "us-west1"),
            ("", ""),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encoded(value).unwrap(), header, "{value}");
        }
    }
}
