//! What stories send to a gateway, and what comes back.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use portcullis_resource_server::Gateway;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::stage::{Stage, Token};

/// A request as it is being written.
pub(crate) struct Draft {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Draft {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: vec![], body: vec![] }.header("host", "localhost:8420")
    }

    /// A message as an SDK posts it.
    pub(crate) fn post(path: &str, body: &Value) -> Self {
        Self::raw(path, body.to_string())
    }

    pub(crate) fn raw(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut draft = Self::new(Method::POST, path)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        draft.body = body.into();
        draft
    }

    /// A request of the stateless era, with every header that its body asks for.
    pub(crate) fn modern(path: &str, method: &str, mut params: Value) -> Self {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        if meta.get("io.modelcontextprotocol/clientCapabilities").is_none() {
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let draft =
            Self::post(path, &body).header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        let named = if method == "resources/read" { &body["params"]["uri"] } else { &body["params"]["name"] };
        match (method, named.as_str()) {
            ("tools/call" | "prompts/get" | "resources/read", Some(name)) => draft.header("mcp-name", name),
            _ => draft,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn bearing(self, token: &Token) -> Self {
        let value = format!("Bearer {}", token.text);
        self.header("authorization", &value)
    }

    pub(crate) fn request(self) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body)).unwrap()
    }

    pub(crate) async fn at(self, stage: &Stage) -> Answer {
        self.at_gateway(&stage.gateway).await
    }

    /// The same at another node.
    pub(crate) async fn at_gateway(self, gateway: &Gateway) -> Answer {
        let response = gateway.router().oneshot(self.request()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let mut said = if is_stream { events(&bytes) } else { vec![] };
        let body = match said.pop() {
            Some(last) => last,
            None if bytes.is_empty() => Value::Null,
            None => serde_json::from_slice(&bytes).expect("JSON"),
        };
        Answer { status, headers, said, body }
    }
}

/// The messages of a stream of events.
pub(crate) fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// What was said before the answer, where it came as a stream.
    pub(crate) said: Vec<Value>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> i64 {
        self.body["error"]["code"].as_i64().unwrap_or_default()
    }

    /// The text of a tool result and whether it is a failure.
    pub(crate) fn tool(&self) -> (&str, bool) {
        let result = &self.body["result"];
        (result["content"][0]["text"].as_str().unwrap_or_default(), result["isError"] == true)
    }

    pub(crate) fn tool_names(&self) -> Vec<&str> {
        let tools = self.body["result"]["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default()).collect()
    }
}

/// Calls a tool in the stateless era.
pub(crate) async fn call(stage: &Stage, token: &Token, name: &str, arguments: Value) -> Answer {
    let params = json!({"name": name, "arguments": arguments});
    Draft::modern("/mcp", "tools/call", params).bearing(token).at(stage).await
}
