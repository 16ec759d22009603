//! Tools of which no server should have one. Everything but the call itself is as it should be.

use std::future::pending;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{plain, text, tool};
use crate::answers::RpcError;
use crate::talk::{Piece, Talk};

pub(super) fn list() -> Vec<Value> {
    let count = json!({"type": "object", "properties": {"count": {"type": "integer"}}});
    let mut all: Vec<_> = [
        "hang",
        "die",
        "closed",
        "garbage",
        "duplicate",
        "chatter",
        "ask_nobody",
        "ask_and_leave",
        "ping_back",
        "environment",
        "breed",
        "exit",
    ]
    .map(plain)
    .into();
    // Marks a parameter for a header where no mark may be.
    let items = json!({"type": "string", "x-mcp-header": "Item"});
    let wrong = json!({"type": "object", "properties": {"all": {"type": "array", "items": items}}});
    all.push(tool("wrongly_marked", &wrong));
    let mut promise = tool("promise", &count);
    promise["outputSchema"] =
        json!({"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]});
    all.push(promise);
    all.extend(["big", "stderr", "ask_at_once"].map(|name| tool(name, &count)));
    all
}

pub(super) async fn call(talk: &Talk, name: &str, arguments: &Value) -> Option<Result<Value, RpcError>> {
    let count = usize::try_from(arguments["count"].as_u64().unwrap_or(1)).ok()?;
    match name {
        // Says that it has begun, and never ends.
        "hang" => {
            talk.progress(0);
            pending().await
        }
        // The connection breaks before there is an answer.
        "die" => {
            talk.log.push(Piece::Break);
            pending().await
        }
        // The stream ends properly, without an answer.
        "closed" => {
            talk.log.push(Piece::Close);
            pending().await
        }
        "garbage" => {
            talk.log.push(Piece::Raw(b"data: {\"jsonrpc\": \"2.0\", \"id\": 1, \"id\": 2}\n\n".to_vec()));
            pending().await
        }
        // An answer to this very call that says a key twice.
        "duplicate" => {
            let id = talk.meta.get("progressToken").unwrap_or(&Value::Null);
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"a":1,"a":2}}}}"#);
            talk.log.push(Piece::Raw(answer.into_bytes()));
            pending().await
        }
        // Says something for ever.
        "chatter" => loop {
            talk.say("notifications/message", &json!({"level": "info", "data": "x".repeat(4_096)}));
            tokio::task::yield_now().await;
        },
        // Keeps what its output schema says for counts above zero alone.
        "promise" => {
            let mut result = text("kept or not");
            result["structuredContent"] =
                if count > 0 { json!({"count": count}) } else { json!({"count": "none"}) };
            Some(Ok(result))
        }
        "big" => Some(Ok(text("x".repeat(count)))),
        "stderr" => {
            for line in 0..count {
                eprintln!("line {line} of stderr \u{1b}[31m");
            }
            Some(Ok(text("said")))
        }
        "exit" => std::process::exit(3),
        name => asking(talk, name, count).await.or_else(|| process(name)).map(Ok),
    }
}

/// What asks its caller, and how the answer is taken.
async fn asking(talk: &Talk, name: &str, count: usize) -> Option<Value> {
    let said = match name {
        "ask_nobody" => {
            talk.ask("no/such", json!({})).await.map_or_else(|message| message, |_| "answered".to_owned())
        }
        "ping_back" => {
            talk.ask("ping", json!({})).await.map_or_else(|message| message, |result| result.to_string())
        }
        // Has its answer before it has one to its own question.
        "ask_and_leave" => {
            talk.pose("elicitation/create", Some(&json!({"message": "m"}))).ok()?;
            "gone".to_owned()
        }
        // Asks so often at once, says of each answer that it came, and tells how many were refused.
        "ask_at_once" => {
            let asked = (0..count).filter_map(|_| talk.pose("elicitation/create", Some(&json!({}))).ok());
            let (mut answers, mut refused) = (asked.collect::<JoinSet<_>>(), 0);
            while let Some(answer) = answers.join_next().await {
                talk.progress(1);
                refused +=
                    i32::from(answer.is_ok_and(|answer| answer.is_ok_and(|it| it["error"].is_object())));
            }
            refused.to_string()
        }
        _ => return None,
    };
    Some(text(said))
}

/// What only makes sense of a child.
fn process(name: &str) -> Option<Value> {
    match name {
        // What it was started with.
        "environment" => {
            let mut all: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            all.sort();
            let arguments: Vec<_> = std::env::args().skip(1).collect();
            let folder = std::env::current_dir().unwrap_or_default();
            let told = json!({
                "environment": all,
                "arguments": arguments,
                "folder": folder,
                "process": std::process::id(),
            });
            Some(text(told.to_string()))
        }
        // Leaves somebody behind who holds on to nothing of it, and says his number.
        "breed" => {
            let mut child = std::process::Command::new("/bin/sleep");
            child.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Some(text(child.spawn().map_or(0, |child| child.id()).to_string()))
        }
        _ => None,
    }
}
