//! Headers and body must say the same (HTTP26-2 to -8, -12, HTTP25-11, T22). The body's envelope decides the era; every
//! decision after this step reads the body alone.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::meta::{CLIENT_CAPABILITIES as META_CAPABILITIES, PROTOCOL_VERSION as META_VERSION};
use super::{Era, Revision, code, name};
use crate::envelope::{Call, Message};
use crate::refusal::Refusal;

/// The revision that a request is written in.
pub(crate) const VERSION: &str = "mcp-protocol-version";
/// The session that it belongs to.
pub(crate) const SESSION: &str = "mcp-session-id";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
const PARAMETER: &str = "mcp-param-";

const META: &str = "_meta";

/// Reads the era of a message, or refuses it because headers and body disagree.
pub(crate) fn agree(headers: &HeaderMap, message: &Message) -> Result<Era, Refusal> {
    let version = single(headers, VERSION)?;
    let claim = message.call().and_then(|call| call.params.get(META)).and_then(|meta| meta.get(META_VERSION));
    match (message, claim, version) {
        (Message::Request(_, call), Some(claim), _) => stateless(headers, version, call, claim),
        (Message::Request(..), None, Some(version)) if is_stateless(version) => Err(Refusal::bad_request(
            "envelope_missing",
            code::INVALID_PARAMS,
            format!("params._meta must hold {META_VERSION} and {META_CAPABILITIES}"),
        )),
        (Message::Notification(call), claim, Some(version)) if is_stateless(version) => {
            supported(version)?;
            // Its headers may be absent, but what they say is what the body says (T22).
            if claim.is_some_and(|claim| claim != version) {
                return Err(mismatch(VERSION, "differs from the body"));
            }
            if single(headers, METHOD)?.is_some_and(|method| method != call.method) {
                return Err(mismatch(METHOD, "differs from the body"));
            }
            Ok(Era::Stateless)
        }
        // HTTP26-14
        (Message::Response(_), _, Some(version)) if is_stateless(version) => Err(Refusal::bad_request(
            "response_posted",
            code::INVALID_REQUEST,
            "this revision takes no responses from clients",
        )),
        _ => session_era(headers, version, message),
    }
}

/// The one value of a header. Two of them are a disagreement in themselves (T22).
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| mismatch(name, "cannot be read")),
        (Some(_), Some(_)) => Err(mismatch(name, "was sent more than once")),
    }
}

fn mismatch(header: &str, what: &str) -> Refusal {
    Refusal::bad_request("header_mismatch", code::HEADER_MISMATCH, format!("the header {header} {what}"))
}

/// Whether a version header speaks of the stateless era, whatever revision of it.
fn is_stateless(version: &str) -> bool {
    version >= Revision::V2026_07_28.as_str() && version.starts_with(|first: char| first.is_ascii_digit())
}

/// HTTP26-3
fn supported(version: &str) -> Result<(), Refusal> {
    if version == Revision::V2026_07_28.as_str() { Ok(()) } else { Err(unsupported(version)) }
}

fn unsupported(requested: &str) -> Refusal {
    let requested: String = requested.chars().take(40).collect();
    Refusal::bad_request("protocol_version", code::UNSUPPORTED_VERSION, "unsupported protocol version")
        .with_data(json!({"supported": Revision::names(), "requested": requested}))
}

fn session_era(headers: &HeaderMap, version: Option<&str>, message: &Message) -> Result<Era, Refusal> {
    // HTTP25-11: an absent version is a session's own
    if let Some(version) = version
        && Revision::parse(version).is_none_or(|revision| revision.era() != Era::Session)
    {
        return Err(unsupported(version));
    }
    // HTTP26-12: this era does not know these headers, but somebody on the way may trust them. Nobody can be misled by
    // one that says what the body says, and real clients send it with `initialize`; any other is refused.
    let Some(call) = message.call() else { return Ok(Era::Session) };
    if single(headers, METHOD)?.is_some_and(|method| method != call.method) {
        return Err(mismatch(METHOD, "differs from the body"));
    }
    if headers.contains_key(NAME) {
        named(headers, call)?;
    }
    Ok(Era::Session)
}

fn stateless(headers: &HeaderMap, version: Option<&str>, call: &Call, claim: &Value) -> Result<Era, Refusal> {
    let incomplete = |key: &str| {
        Refusal::bad_request(
            "envelope_missing",
            code::INVALID_PARAMS,
            format!("params._meta[{key}] is missing or malformed"),
        )
    };
    let claim = claim.as_str().ok_or_else(|| incomplete(META_VERSION))?;
    let method = single(headers, METHOD)?;
    if version.is_some_and(|version| version != claim) {
        return Err(mismatch(VERSION, "differs from the body"));
    }
    if method.is_some_and(|method| method != call.method) {
        return Err(mismatch(METHOD, "differs from the body"));
    }
    // HTTP26-8: clientInfo may be absent (DC-26)
    if !call.params[META].get(META_CAPABILITIES).is_some_and(Value::is_object) {
        return Err(incomplete(META_CAPABILITIES));
    }
    supported(claim)?;
    for (header, value) in [(VERSION, version), (METHOD, method)] {
        if value.is_none() {
            return Err(mismatch(header, "is missing"));
        }
    }
    named(headers, call).map(|()| Era::Stateless)
}

/// HTTP26-5: the header that names what is called or read.
fn named(headers: &HeaderMap, call: &Call) -> Result<(), Refusal> {
    let member = match call.method.as_str() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    let body = call.params.get(member).and_then(Value::as_str);
    match (single(headers, NAME)?, body) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(mismatch(NAME, "is missing")),
        (Some(header), body) => match name::decode(header) {
            Some(decoded) if Some(decoded.as_str()) == body => Ok(()),
            Some(_) => Err(mismatch(NAME, "differs from the body")),
            None => Err(mismatch(NAME, "cannot be decoded")),
        },
    }
}

/// The parameters of a tool that stand in headers, by their names in lower case (HTTP26-10, HTTP26-11).
pub(crate) fn parameters(headers: &HeaderMap) -> Result<Vec<(String, String)>, Refusal> {
    let mut found: Vec<(String, String)> = vec![];
    for (header, value) in headers {
        let Some(parameter) = header.as_str().strip_prefix(PARAMETER) else { continue };
        if found.iter().any(|(known, _)| known == parameter) {
            return Err(mismatch(header.as_str(), "was sent more than once"));
        }
        let value = value.to_str().ok().and_then(name::decode);
        let value = value.ok_or_else(|| mismatch(header.as_str(), "cannot be read"))?;
        found.push((parameter.to_owned(), value));
    }
    Ok(found)
}

/// Refuses unless what stands in headers is what stands in the arguments: `wanted` by the names of the tool's schema.
pub(crate) fn mirrored(
    wanted: &[(String, String)],
    declared: impl Iterator<Item = String>,
    sent: &[(String, String)],
) -> Result<(), Refusal> {
    for parameter in declared {
        let parameter = parameter.to_ascii_lowercase();
        let in_body = wanted.iter().find(|(known, _)| known.eq_ignore_ascii_case(&parameter));
        let in_header = sent.iter().find(|(known, _)| *known == parameter);
        let header = || format!("{PARAMETER}{parameter}");
        match (in_body, in_header) {
            (None, None) => {}
            (Some((_, body)), Some((_, header))) if same(body, header) => {}
            (Some(_), None) => return Err(mismatch(&header(), "is missing")),
            (_, Some(_)) => return Err(mismatch(&header(), "differs from the body")),
        }
    }
    Ok(())
}

/// Integers are the same however they are written.
fn same(body: &str, header: &str) -> bool {
    body == header
        || matches!((body.parse::<i64>(), header.parse::<f64>()), (Ok(_), Ok(number)) if body.parse() == Ok(number))
}

/// Whether a request without body belongs to the stateless era, in which GET and DELETE mean nothing (HTTP26-1).
pub(crate) fn bodyless_is_stateless(headers: &HeaderMap) -> bool {
    headers.get(VERSION).and_then(|value| value.to_str().ok()).is_some_and(is_stateless)
}

/// The session that a request names, if it names one.
pub(crate) fn session(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let unreadable =
        || Refusal::transport("session_header", StatusCode::BAD_REQUEST, "Mcp-Session-Id cannot be read");
    let mut values = headers.get_all(SESSION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| unreadable()),
        (Some(_), Some(_)) => Err(unreadable()),
    }
}
