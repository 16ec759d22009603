//! JSON-RPC 2.0 as it travels: one message written, one message read. Values stay the text that they are.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Asked, Failure, Notification, RpcError, strict};

/// What a server sent.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The end of the request with this id.
    Answer { id: u64, outcome: Result<Box<RawValue>, RpcError> },
    /// Something is said.
    Said(Notification),
    /// Something is asked, under an id of the server's.
    Asked { id: Box<RawValue>, asked: Asked },
    /// An error that belongs to no request: what was sent could not be read.
    Refused(RpcError),
}

#[derive(Deserialize)]
struct Envelope {
    jsonrpc: String,
    id: Option<Box<RawValue>>,
    method: Option<String>,
    params: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

/// Reads one message.
pub(crate) fn read(text: &[u8]) -> Result<Incoming, Failure> {
    strict::check(text).map_err(Failure::not_mcp)?;
    let envelope: Envelope =
        serde_json::from_slice(text).map_err(|error| Failure::not_mcp(error.to_string()))?;
    if envelope.jsonrpc != "2.0" {
        return Err(Failure::not_mcp("not JSON-RPC 2.0"));
    }
    match envelope {
        Envelope { method: Some(method), id: Some(id), params, result: None, error: None, .. } => {
            Ok(Incoming::Asked { id, asked: Asked { method, params } })
        }
        Envelope { method: Some(method), id: None, params, result: None, error: None, .. } => {
            Ok(Incoming::Said(Notification { method, params }))
        }
        Envelope { id: Some(id), result: Some(result), error: None, method: None, .. } => {
            Ok(Incoming::Answer { id: own(&id)?, outcome: Ok(object(result)?) })
        }
        Envelope { id: Some(id), error: Some(error), result: None, method: None, .. } => {
            Ok(Incoming::Answer { id: own(&id)?, outcome: Err(error) })
        }
        Envelope { id: None, error: Some(error), result: None, method: None, .. } => {
            Ok(Incoming::Refused(error))
        }
        _ => Err(Failure::not_mcp("neither an answer, nor a notification, nor a request")),
    }
}

/// Ids of ours are numbers.
fn own(id: &RawValue) -> Result<u64, Failure> {
    id.get().parse().map_err(|_| Failure::not_mcp("an answer to a request that was never made"))
}

fn object(result: Box<RawValue>) -> Result<Box<RawValue>, Failure> {
    if result.get().starts_with('{') { Ok(result) } else { Err(Failure::not_mcp("a result is an object")) }
}

#[derive(Serialize)]
struct Outgoing<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Reply<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RpcError>,
}

/// Writes a request.
pub(crate) fn request(id: u64, method: &str, params: Option<&RawValue>) -> Result<Vec<u8>, Failure> {
    write(&Outgoing { jsonrpc: "2.0", id: Some(id), method, params })
}

/// Writes a notification.
pub(crate) fn notification(method: &str, params: Option<&RawValue>) -> Result<Vec<u8>, Failure> {
    write(&Outgoing { jsonrpc: "2.0", id: None, method, params })
}

/// Writes the answer to something that the server asked.
pub(crate) fn reply(id: &RawValue, outcome: &Result<Box<RawValue>, RpcError>) -> Result<Vec<u8>, Failure> {
    let (result, error) = match outcome {
        Ok(result) => (Some(&**result), None),
        Err(error) => (None, Some(error)),
    };
    write(&Reply { jsonrpc: "2.0", id, result, error })
}

fn write(message: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(message).map_err(|error| Failure::not_mcp(error.to_string()))
}
