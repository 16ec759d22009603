//! What the stories of approvals share: the inbox, decisions, and calls in every era.

use axum::body::BodyDataStream;
use portcullis_resource_server::{Approval, Decider, How, Inbox, Sought, Verdict};
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::draft::{Answer, Draft, events};
use crate::stage::{Stage, Token};

pub(crate) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const NOTE: &str = "sandbox__create_note";

/// Everything that Alice's inbox holds, the newest first.
pub(crate) async fn waiting(stage: &Stage) -> Vec<Approval> {
    let inbox = Inbox { who: Some(&stage.alice), approver: false };
    stage.gateway.approvals().list(inbox, &Sought::default()).await.unwrap()
}

/// Decides about the newest, on the page.
pub(crate) async fn decide(stage: &Stage, verdict: Verdict) {
    let decider = Decider { who: &stage.alice, how: How::Page, approver: false };
    let id = waiting(stage).await[0].id.clone();
    stage.gateway.approvals().decide(&id, verdict, decider).await.unwrap();
}

/// A leg of a call of the stateless era.
pub(crate) fn leg(
    elicitation: &Value,
    text: &str,
    (state, response): (Option<&Value>, Option<Value>),
) -> Draft {
    let mut params = json!({"name": NOTE, "arguments": {"title": "t", "text": text}, "_meta": {CAPABILITIES: {"elicitation": elicitation}}});
    if let Some(state) = state {
        params["requestState"] = state.clone();
    }
    if let Some(response) = response {
        params["inputResponses"] = json!({ "approval": response });
    }
    Draft::modern("/mcp", "tools/call", params)
}

pub(crate) fn accepted() -> Value {
    json!({"action": "accept", "content": {}})
}

pub(crate) fn asked(answer: &Answer) -> &Value {
    &answer.body["result"]["inputRequests"]["approval"]["params"]
}

pub(crate) fn state(answer: &Answer) -> &Value {
    &answer.body["result"]["requestState"]
}

pub(crate) async fn session(stage: &Stage, token: &Token, (revision, capabilities): (&str, Value)) -> String {
    let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "0"}});
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    Draft::post("/mcp", &message).bearing(token).at(stage).await.header("mcp-session-id").to_owned()
}

pub(crate) fn within(session: &str, token: &Token) -> Draft {
    let params = json!({"name": NOTE, "arguments": {"title": "t", "text": "x"}});
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params});
    Draft::post("/mcp", &body).header("mcp-session-id", session).bearing(token)
}

/// The next message of a stream.
pub(crate) async fn next(stream: &mut BodyDataStream) -> Value {
    loop {
        let bytes = stream.next().await.expect("the stream goes on").unwrap();
        if let Some(message) = events(&bytes).pop() {
            return message;
        }
    }
}
