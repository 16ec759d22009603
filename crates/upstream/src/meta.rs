//! Parameters as they go out: `_meta` says what the era demands and nothing that somebody else claimed, and a progress
//! token is one of ours while the request is on its way.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use crate::{Era, Failure, Notification, Revision, message};

const META: &str = "_meta";
const PROGRESS: &str = "progressToken";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

type Members = BTreeMap<String, Box<RawValue>>;

/// What goes out, and what has to be put back into what is heard.
pub(crate) struct Prepared {
    pub(crate) params: Option<Box<RawValue>>,
    /// The progress token that the request came with.
    pub(crate) token: Option<Box<RawValue>>,
}

/// Writes `_meta` anew. `id` is the request's own: no two that are under way share it, so it is the token as well.
pub(crate) fn prepare(
    given: Option<&RawValue>,
    revision: Revision,
    capabilities: &RawValue,
    id: u64,
) -> Result<Prepared, Failure> {
    if given.is_none() && revision.era() == Era::Session {
        return Ok(Prepared { params: None, token: None });
    }
    let mut params = given.map(members).transpose()?.unwrap_or_default();
    let mut meta = params.get(META).map(|meta| members(meta)).transpose()?;
    if revision.era() == Era::Stateless {
        let meta = meta.get_or_insert_default();
        meta.insert(VERSION.to_owned(), raw(&revision.as_str())?);
        meta.insert(CLIENT.to_owned(), client()?);
        meta.insert(CAPABILITIES.to_owned(), capabilities.to_owned());
    } else if let Some(meta) = &mut meta {
        for key in [VERSION, CLIENT, CAPABILITIES] {
            meta.remove(key);
        }
    }
    let mut token = None;
    if let Some(mut meta) = meta {
        if let Some(theirs) = meta.get_mut(PROGRESS) {
            token = Some(std::mem::replace(theirs, raw(&id)?));
        }
        params.insert(META.to_owned(), raw(&meta)?);
    }
    Ok(Prepared { params: Some(raw(&params)?), token })
}

/// What `initialize` is called with.
pub(crate) fn initialize(capabilities: &RawValue) -> Result<Box<RawValue>, Failure> {
    let newest = raw(&Revision::V2025_11_25.as_str())?;
    raw(&BTreeMap::from([
        ("protocolVersion", newest),
        ("capabilities", capabilities.to_owned()),
        ("clientInfo", client()?),
    ]))
}

/// `notifications/cancelled` as it goes out.
pub(crate) fn cancelled(id: u64) -> Result<Vec<u8>, Failure> {
    let params = raw(&BTreeMap::from([("requestId", raw(&id)?)]))?;
    message::notification("notifications/cancelled", Some(&params))
}

/// The token that a notification speaks of, if it is one of ours.
pub(crate) fn token(notification: &Notification) -> Option<u64> {
    members(notification.params.as_deref()?).ok()?.get(PROGRESS)?.get().parse().ok()
}

/// The stream of changes that a notification came on, if it is one of ours.
pub(crate) fn subscription(notification: &Notification) -> Option<u64> {
    let params = members(notification.params.as_deref()?).ok()?;
    members(params.get(META)?).ok()?.get(SUBSCRIPTION)?.get().parse().ok()
}

/// Puts the token back that the request came with.
pub(crate) fn restore(notification: Notification, token: &RawValue) -> Result<Notification, Failure> {
    let Some(params) = notification.params.as_deref() else { return Ok(notification) };
    let mut params = members(params)?;
    params.insert(PROGRESS.to_owned(), token.to_owned());
    Ok(Notification { params: Some(raw(&params)?), ..notification })
}

fn client() -> Result<Box<RawValue>, Failure> {
    raw(&BTreeMap::from([("name", "Portcullis"), ("version", env!("CARGO_PKG_VERSION"))]))
}

pub(crate) fn members(object: &RawValue) -> Result<Members, Failure> {
    serde_json::from_str(object.get()).map_err(|_| Failure::not_mcp("parameters are an object"))
}

pub(crate) fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>, Failure> {
    to_raw_value(value).map_err(|error| Failure::not_mcp(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(given: &str, revision: Revision) -> (String, Option<String>) {
        let given = RawValue::from_string(given.to_owned()).unwrap();
        let capabilities = RawValue::from_string("{}".to_owned()).unwrap();
        let prepared = prepare(Some(&given), revision, &capabilities, 7).unwrap();
        let text = |raw: Box<RawValue>| raw.get().to_owned();
        (prepared.params.map(text).unwrap(), prepared.token.map(text))
    }

    /// HTTP26-2, HTTP26-19: the envelope is ours, whatever a caller put there; the rest stays, byte for byte
    #[test]
    fn the_envelope_is_ours_and_the_rest_is_the_callers() {
        let given = r#"{"a":{"z":1.0,"b":12345678901234567890},"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01","x/y":1}}"#;
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            prepared(given, Revision::V2026_07_28).0,
            format!(
                r#"{{"_meta":{{"io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"Portcullis","version":"{version}"}},"io.modelcontextprotocol/protocolVersion":"2026-07-28","x/y":1}},"a":{{"z":1.0,"b":12345678901234567890}}}}"#
            )
        );
        assert_eq!(
            prepared(given, Revision::V2025_11_25).0,
            r#"{"_meta":{"x/y":1},"a":{"z":1.0,"b":12345678901234567890}}"#
        );
    }

    /// T18: two callers may choose the same token; on the wire they differ, and each hears its own again
    #[test]
    fn a_progress_token_is_replaced_and_restored() {
        let (sent, theirs) = prepared(r#"{"_meta":{"progressToken":"t"}}"#, Revision::V2025_06_18);
        assert_eq!(sent, r#"{"_meta":{"progressToken":7}}"#);
        let params = RawValue::from_string(r#"{"progressToken":7,"progress":1}"#.to_owned()).unwrap();
        let heard = Notification { method: "notifications/progress".to_owned(), params: Some(params) };
        assert_eq!(token(&heard), Some(7));
        let theirs = RawValue::from_string(theirs.unwrap()).unwrap();
        let restored = restore(heard, &theirs).unwrap();
        assert_eq!(restored.params.unwrap().get(), r#"{"progress":1,"progressToken":"t"}"#);
    }
}
