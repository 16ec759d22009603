//! A client of this wire for the conformance suite's client scenarios: greets the server whose address comes last, reads its
//! lists, and calls every tool, with the arguments that the scenario names or some of the right kind.

#![expect(clippy::expect_used, reason = "a client for tests: a surprise ends it")]

use std::sync::Arc;
use std::time::Duration;

use portcullis_oauth::SystemClock;
use portcullis_outbound::{Outbound, Policy};
use portcullis_upstream::{
    Endpoint, Failure, Headers, HttpTarget, Pool, Request, Revision, Settings, Transport,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Enough for every scenario.
const ROUNDS: usize = 4;

struct Client {
    pool: Pool,
    endpoint: Endpoint,
    /// What the scenario wants called.
    wanted: Vec<Value>,
}

#[tokio::main]
async fn main() {
    let url = std::env::args().next_back().expect("an address");
    let context: Value =
        std::env::var("MCP_CONFORMANCE_CONTEXT").ok().map_or(Value::Null, |text| json_of(&text));
    let outbound = Outbound::new(Policy { loopback: true, ..Policy::default() }).expect("a client");
    let pool = Pool::new(outbound, Arc::new(SystemClock), Settings::default());
    let target = HttpTarget { url, private_network: false, legacy_sse: false };
    // The scenarios of before speak one era alone, and do not know how to refuse another.
    let era = std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").ok();
    let endpoint = Endpoint {
        key: "conformance".to_owned(),
        transport: Transport::Http(target),
        headers: Headers::default(),
        capabilities: raw(&json!({"elicitation": {}})),
        remembered: era.as_deref().and_then(Revision::parse),
    };
    let wanted = context["toolCalls"].as_array().cloned().unwrap_or_default();
    let client = Client { pool, endpoint, wanted };
    client.run().await.expect("a server that can be spoken to");
    client.pool.end_all().await;
}

impl Client {
    async fn run(&self) -> Result<(), Failure> {
        self.pool.greeting(&self.endpoint).await?;
        let tools = self.ask("tools/list", &json!({})).await?;
        let first = &tools["tools"][0]["inputSchema"];
        for tool in tools["tools"].as_array().into_iter().flatten() {
            // A server that offers what it then does not do is the scenario's business.
            if let Err(failure) = self.call(tool, first).await {
                eprintln!("{}: {failure}", tool["name"]);
            }
        }
        // Not every scenario has these.
        if let Ok(resources) = self.ask("resources/list", &json!({})).await {
            for resource in resources["resources"].as_array().into_iter().flatten() {
                self.ask("resources/read", &json!({"uri": resource["uri"]})).await?;
            }
        }
        if let Ok(prompts) = self.ask("prompts/list", &json!({})).await {
            for prompt in prompts["prompts"].as_array().into_iter().flatten() {
                self.ask("prompts/get", &json!({"name": prompt["name"]})).await?;
            }
        }
        Ok(())
    }

    async fn call(&self, tool: &Value, first: &Value) -> Result<(), Failure> {
        let wanted = self.wanted.iter().find(|call| call["name"] == tool["name"]);
        let arguments =
            wanted.map_or_else(|| some(&tool["inputSchema"], first), |call| call["arguments"].clone());
        let plain = json!({"name": tool["name"], "arguments": arguments});
        let mut params = plain.clone();
        for _ in 0..ROUNDS {
            let result = self.ask("tools/call", &params).await?;
            if result["resultType"] != "input_required" {
                break;
            }
            params = plain.clone();
            params["inputResponses"] = Value::Object(
                result["inputRequests"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| {
                        (key.clone(), json!({"action": "accept", "content": {"confirmed": true}}))
                    })
                    .collect(),
            );
            if let Some(state) = result.get("requestState") {
                params["requestState"] = state.clone();
            }
        }
        Ok(())
    }

    async fn ask(&self, method: &str, params: &Value) -> Result<Value, Failure> {
        let request = Request::new(method).with(raw(params)).within(Duration::from_secs(20));
        Ok(json_of(self.pool.request(&self.endpoint, request).await?.get()))
    }
}

/// Arguments of the right kind for what a schema demands. One that is called `schema` is that of the first tool: the server
/// wants to see what became of it.
fn some(schema: &Value, first: &Value) -> Value {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let value = |name: &str| match schema["properties"][name]["type"].as_str() {
        Some("object") if name == "schema" => first.clone(),
        Some("number" | "integer") => json!(5),
        Some("boolean") => json!(true),
        Some("object") => json!({}),
        Some("array") => json!([]),
        _ => json!("text"),
    };
    Value::Object(
        required.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), value(name))).collect(),
    )
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("JSON")
}
