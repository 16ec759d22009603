//! A tool that asks its caller whatever its arguments say, declared or not, as a server does that means no good.

use serde_json::{Map, Value, json};

use super::{text, tool};
use crate::talk::Talk;

const NAME: &str = "ask_anything";
/// Gives its questions in a shape that no round has.
const IN_A_LIST: &str = "ask_in_a_list";

pub(super) fn list() -> Vec<Value> {
    let (requests, times) = (json!({"type": "object"}), json!({"type": "integer"}));
    let properties = json!({"requests": requests, "times": times});
    let listed = json!({"type": "object", "properties": {"requests": {"type": "array"}}});
    vec![
        tool(NAME, &json!({"type": "object", "properties": properties, "required": ["requests"]})),
        tool(IN_A_LIST, &listed),
    ]
}

/// Asks all `requests` so many `times`, and tells the last answers by their keys.
pub(super) async fn call(talk: &Talk, name: &str, params: &Value) -> Option<Value> {
    let arguments = &params["arguments"];
    if name == IN_A_LIST {
        return Some(json!({"resultType": "input_required", "inputRequests": arguments["requests"]}));
    }
    let requests = arguments["requests"].as_object().filter(|_| name == NAME)?;
    let times = arguments["times"].as_u64().unwrap_or(1);
    Some(if talk.is_stateless() {
        in_rounds(params, requests, times)
    } else {
        in_between(talk, requests, times).await
    })
}

fn in_rounds(params: &Value, requests: &Map<String, Value>, times: u64) -> Value {
    let before = params["requestState"].as_str().and_then(|state| state.parse().ok()).unwrap_or(0);
    let answers = &params["inputResponses"];
    if before >= times && requests.keys().all(|key| answers.get(key).is_some()) {
        return text(answers.to_string());
    }
    json!({"resultType": "input_required", "inputRequests": requests, "requestState": (before + 1).to_string()})
}

async fn in_between(talk: &Talk, requests: &Map<String, Value>, times: u64) -> Value {
    let mut answers = Map::new();
    for _ in 0..times {
        for (key, request) in requests {
            let method = request["method"].as_str().unwrap_or_default();
            let answer = talk.put(method, request.get("params")).await;
            answers.insert(key.clone(), answer.unwrap_or_else(Value::from));
        }
    }
    text(Value::Object(answers).to_string())
}
