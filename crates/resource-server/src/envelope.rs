//! The JSON-RPC envelope: one request, notification or response a body. Batches are refused in every revision (ruling
//! on DC-27). Parameters stay values, so that members which this release does not know pass unharmed.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::reply::Reply;

/// A request's id, echoed with its own type. Only [`Message::read`] makes one, so it is text or an integer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Id(Value);

impl Id {
    /// As it was written.
    pub(crate) fn as_value(&self) -> &Value {
        &self.0
    }
}

/// The parameters of a request or notification.
pub(crate) type Params = Map<String, Value>;

/// What a body holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// Wants an answer.
    Request(Id, Call),
    /// Wants none.
    Notification(Call),
    /// Answers a question of ours; its members but for the version.
    Response(Map<String, Value>),
}

/// A method and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// What is asked.
    pub(crate) method: String,
    /// With what; an absent `params` is an empty one.
    pub(crate) params: Params,
}

/// Why a value is no message; the texts are for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvelopeError {
    /// An array.
    Batch,
    /// Anything else that JSON-RPC 2.0 does not know.
    Shape(&'static str),
}

impl Message {
    /// Reads a message.
    pub(crate) fn read(value: Value) -> Result<Self, EnvelopeError> {
        let Value::Object(mut members) = value else {
            return Err(if value.is_array() {
                EnvelopeError::Batch
            } else {
                EnvelopeError::Shape("the body is not a JSON-RPC object")
            });
        };
        if members.get("jsonrpc") != Some(&json!("2.0")) {
            return Err(EnvelopeError::Shape("jsonrpc is not \"2.0\""));
        }
        let method = match members.remove("method") {
            Some(Value::String(method)) => method,
            Some(_) => return Err(EnvelopeError::Shape("method is not a string")),
            None if members.contains_key("result") || members.contains_key("error") => {
                return Ok(Self::Response(members));
            }
            None => return Err(EnvelopeError::Shape("there is no method")),
        };
        let params = match members.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(EnvelopeError::Shape("params is not an object")),
        };
        let call = Call { method, params };
        match members.remove("id") {
            None => Ok(Self::Notification(call)),
            Some(id @ Value::String(_)) => Ok(Self::Request(Id(id), call)),
            Some(Value::Number(id)) if !id.is_f64() => Ok(Self::Request(Id(Value::Number(id)), call)),
            Some(_) => Err(EnvelopeError::Shape("id is neither a string nor an integer")),
        }
    }

    /// What is asked, if anything is.
    pub(crate) fn call(&self) -> Option<&Call> {
        match self {
            Self::Request(_, call) | Self::Notification(call) => Some(call),
            Self::Response(_) => None,
        }
    }

    /// The id to answer, if an answer is wanted.
    pub(crate) fn id(&self) -> Option<&Id> {
        match self {
            Self::Request(id, _) => Some(id),
            Self::Notification(_) | Self::Response(_) => None,
        }
    }
}

/// The envelope of a result, whose members stay as they were written.
#[derive(Debug, Serialize)]
pub(crate) struct Answered<'a> {
    jsonrpc: &'static str,
    id: &'a Value,
    result: &'a Reply,
}

/// The envelope of a result.
pub(crate) fn result<'a>(id: &'a Id, result: &'a Reply) -> Answered<'a> {
    Answered { jsonrpc: "2.0", id: &id.0, result }
}

/// The envelope of an error. Without an id it has none: clients' schemas refuse `null`.
pub(crate) fn error(id: Option<&Id>, code: i64, message: &str, data: Option<&Value>) -> Value {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data.clone();
    }
    let mut envelope = json!({"jsonrpc": "2.0", "error": error});
    if let Some(id) = id {
        envelope["id"] = id.0.clone();
    }
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HTTP25-5, HTTP26-14
    #[test]
    fn batches_and_half_messages_are_refused() {
        assert_eq!(Message::read(json!([])), Err(EnvelopeError::Batch));
        for bad in [
            json!(1),
            json!({"id": 1, "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": 1}),
            json!({"jsonrpc": "2.0", "id": null, "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}),
        ] {
            assert!(matches!(Message::read(bad.clone()), Err(EnvelopeError::Shape(_))), "{bad}");
        }
    }

    #[test]
    fn an_id_is_echoed_with_its_own_type() {
        for id in [json!("server-discover-probe-1"), json!(0), json!(-7)] {
            let message = Message::read(json!({"jsonrpc": "2.0", "id": id, "method": "ping"})).unwrap();
            let answer = serde_json::to_value(result(message.id().unwrap(), &Reply::default())).unwrap();
            assert_eq!(answer, json!({"jsonrpc": "2.0", "id": id, "result": {}}));
        }
    }

    #[test]
    fn an_error_without_request_has_no_id() {
        assert_eq!(error(None, -32700, "no", None).get("id"), None);
    }
}
