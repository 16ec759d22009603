//! Tools of which no server should have one. Everything but the call itself is as it should be.

use std::future::pending;

use serde_json::{Value, json};

use super::{plain, text, tool};
use crate::answers::RpcError;
use crate::talk::{Piece, Talk};

pub(super) fn list() -> Vec<Value> {
    let count = json!({"type": "object", "properties": {"count": {"type": "integer"}}});
    let mut all: Vec<_> =
        ["hang", "die", "closed", "garbage", "chatter", "ask_nobody", "ping_back", "environment", "exit"]
            .map(plain)
            .into();
    all.extend(["big", "stderr"].map(|name| tool(name, &count)));
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
        // Says something for ever.
        "chatter" => loop {
            talk.say("notifications/message", &json!({"level": "info", "data": "x".repeat(4_096)}));
            tokio::task::yield_now().await;
        },
        "ask_nobody" => match talk.ask("no/such", json!({})).await {
            Ok(_) => Some(Ok(text("answered"))),
            Err(message) => Some(Ok(text(message))),
        },
        "ping_back" => match talk.ask("ping", json!({})).await {
            Ok(result) => Some(Ok(text(result.to_string()))),
            Err(message) => Some(Ok(text(message))),
        },
        "big" => Some(Ok(text("x".repeat(count)))),
        // Over stdio: what it was started with.
        "environment" => {
            let mut all: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            all.sort();
            let arguments: Vec<_> = std::env::args().skip(1).collect();
            Some(Ok(text(json!({"environment": all, "arguments": arguments}).to_string())))
        }
        "stderr" => {
            for line in 0..count {
                eprintln!("line {line} of stderr \u{1b}[31m");
            }
            Some(Ok(text("said")))
        }
        "exit" => std::process::exit(3),
        _ => None,
    }
}
