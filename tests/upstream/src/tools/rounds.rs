//! Tools and a prompt that ask back by their result, as the stateless era does (multi-round-trip requests). What they carry
//! from one round to the next is signed, and a state that was changed is refused (MRTR-4).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{plain, text};
use crate::answers::RpcError;
use crate::talk::Talk;

const PREFIX: &str = "test_input_required_result_";

pub(super) fn list() -> Vec<Value> {
    [
        "elicitation",
        "sampling",
        "list_roots",
        "request_state",
        "multiple_inputs",
        "multi_round",
        "tampered_state",
        "capabilities",
        "password",
    ]
    .into_iter()
    .map(|name| plain(&format!("{PREFIX}{name}")))
    .chain([plain("test_streaming_elicitation")])
    .collect()
}

/// What a form with one field asks.
fn form(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

fn sampling(prompt: &str) -> Value {
    let content = json!({"type": "text", "text": prompt});
    let params = json!({"messages": [{"role": "user", "content": content}], "maxTokens": 100});
    json!({"method": "sampling/createMessage", "params": params})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// Asks, of what is wanted, what the client can be asked.
fn ask(talk: &Talk, wanted: &[(&str, Value)], state: Option<&str>) -> Value {
    let requests: Map<_, _> = wanted
        .iter()
        .filter(|(_, request)| match request["method"].as_str() {
            Some("elicitation/create") => talk.can("elicitation"),
            Some("sampling/createMessage") => talk.can("sampling"),
            _ => talk.can("roots"),
        })
        .map(|(key, request)| ((*key).to_owned(), request.clone()))
        .collect();
    let mut result = json!({"resultType": "input_required", "inputRequests": requests});
    if let Some(state) = state {
        result["requestState"] = json!(signed(state));
    }
    result
}

fn signed(state: &str) -> String {
    let digest = Sha256::digest(format!("fixture:{state}"));
    format!("{state}.{}", URL_SAFE_NO_PAD.encode(digest))
}

/// The state that a client brought back; none on the first round.
fn state(params: &Value) -> Result<Option<&str>, RpcError> {
    let Some(given) = params.get("requestState") else { return Ok(None) };
    let given = given.as_str().unwrap_or_default();
    match given.split_once('.') {
        Some((state, _)) if signed(state) == given => Ok(Some(state)),
        _ => Err(RpcError::invalid("requestState was changed")),
    }
}

/// The answer to one question, if it is an object.
fn response<'a>(params: &'a Value, key: &str) -> Option<&'a Value> {
    params["inputResponses"].get(key).filter(|response| response.is_object())
}

fn field<'a>(params: &'a Value, key: &str, field: &str) -> Option<&'a str> {
    response(params, key)?["content"][field].as_str()
}

pub(super) fn call(talk: &Talk, name: &str, params: &Value) -> Option<Result<Value, RpcError>> {
    if !talk.is_stateless() {
        return None;
    }
    if name == "test_streaming_elicitation" {
        talk.progress(50);
        return Some(Ok(elicitation(talk, params)));
    }
    let name = name.strip_prefix(PREFIX)?;
    let state = match state(params) {
        Ok(state) => state,
        Err(error) => return Some(Err(error)),
    };
    Some(Ok(match name {
        "elicitation" => elicitation(talk, params),
        "sampling" => match response(params, "capital_question") {
            Some(response) => text(response["content"]["text"].as_str().unwrap_or("no text")),
            None => ask(talk, &[("capital_question", sampling("What is the capital of France?"))], None),
        },
        "list_roots" => match response(params, "client_roots") {
            Some(response) => text(format!("Roots: {}", response["roots"])),
            None => ask(talk, &[("client_roots", roots())], None),
        },
        "request_state" | "tampered_state" => match (state, response(params, "confirm")) {
            (Some(_), Some(_)) => text("state-ok"),
            _ => ask(talk, &[("confirm", form("Please confirm", "ok", "boolean"))], Some("confirming")),
        },
        "multiple_inputs" => multiple(talk, params),
        "multi_round" => rounds(talk, params, state),
        "capabilities" => ask(
            talk,
            &[("user_name", form("What is your name?", "name", "string")), ("greeting", sampling("Greet"))],
            None,
        ),
        // What no server may ask.
        "password" => ask(talk, &[("password", form("What is your password?", "password", "string"))], None),
        _ => return None,
    }))
}

fn elicitation(talk: &Talk, params: &Value) -> Value {
    match field(params, "user_name", "name") {
        Some(name) => text(format!("Hello, {name}!")),
        None => ask(talk, &[("user_name", form("What is your name?", "name", "string"))], None),
    }
}

fn multiple(talk: &Talk, params: &Value) -> Value {
    let all = ["user_name", "greeting", "client_roots"];
    if all.into_iter().all(|key| response(params, key).is_some()) {
        return text("All answered.");
    }
    let wanted = [
        ("user_name", form("What is your name?", "name", "string")),
        ("greeting", sampling("Generate a greeting")),
        ("client_roots", roots()),
    ];
    ask(talk, &wanted, Some("several"))
}

fn rounds(talk: &Talk, params: &Value, state: Option<&str>) -> Value {
    match state {
        Some("round-1") if response(params, "step1").is_some() => ask(
            talk,
            &[("step2", form("Step 2: What is your favorite color?", "color", "string"))],
            Some("round-2"),
        ),
        Some("round-2") if response(params, "step2").is_some() => text("Both rounds are done."),
        _ => ask(talk, &[("step1", form("Step 1: What is your name?", "name", "string"))], Some("round-1")),
    }
}

/// The prompt that asks back.
pub(crate) fn prompt(talk: &Talk, params: &Value) -> Result<Value, RpcError> {
    state(params)?;
    Ok(match field(params, "user_context", "context") {
        Some(context) => {
            json!({"messages": [{"role": "user", "content": {"type": "text", "text": format!("Context: {context}")}}]})
        }
        None => ask(
            talk,
            &[("user_context", form("What context should the prompt use?", "context", "string"))],
            None,
        ),
    })
}
