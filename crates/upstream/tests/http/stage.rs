//! What the stories share: a pool whose clock they hold, endpoints, and somebody who hears and answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_oauth::{TestClock, Timestamp};
use portcullis_outbound::{Outbound, Policy};
use portcullis_upstream::{
    Asked, BoxFuture, Endpoint, Events, Failure, Headers, HttpTarget, Notification, Pool, Request, RpcError,
    Settings, Transport,
};
use portcullis_upstream_fixture::Upstream;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// A pool that may call this computer, its server, and the clock of both.
pub(crate) struct Stage {
    pub(crate) upstream: Upstream,
    pub(crate) pool: Pool,
    pub(crate) clock: TestClock,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let clock = TestClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        let outbound = Outbound::new(Policy { loopback: true, ..Policy::default() }).unwrap();
        let pool = Pool::new(outbound, Arc::new(clock.clone()), settings);
        Self { upstream: Upstream::start().await, pool, clock }
    }

    pub(crate) fn at(&self, path: &str) -> Endpoint {
        endpoint(&self.upstream.url(path))
    }

    /// Calls a tool and gives the whole result.
    pub(crate) async fn call(&self, path: &str, tool: &str, arguments: &Value) -> Result<Value, Failure> {
        self.send(&self.at(path), call(tool, arguments)).await
    }

    pub(crate) async fn send(&self, endpoint: &Endpoint, request: Request) -> Result<Value, Failure> {
        let result = self.pool.request(endpoint, request).await?;
        Ok(serde_json::from_str(result.get()).unwrap())
    }
}

/// A connection with a credential of its own.
pub(crate) fn endpoint(url: &str) -> Endpoint {
    let mut headers = Headers::default();
    headers.add("authorization", Zeroizing::new("Bearer upstream-credential".to_owned())).unwrap();
    let target = HttpTarget { url: url.to_owned(), private_network: false, legacy_sse: false };
    let (transport, capabilities) = (Transport::Http(target), raw(&json!({})));
    Endpoint { key: "alice:1".to_owned(), transport, headers, capabilities, remembered: None }
}

/// The same, where HTTP with SSE may be tried.
pub(crate) fn older(mut endpoint: Endpoint) -> Endpoint {
    if let Transport::Http(target) = &mut endpoint.transport {
        target.legacy_sse = true;
    }
    endpoint
}

pub(crate) fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

pub(crate) fn call(tool: &str, arguments: &Value) -> Request {
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "mine"}});
    Request::new("tools/call").with(raw(&params)).within(Duration::from_secs(20))
}

pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

/// Waits until something is so, which other tasks bring about.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came true: {what}");
}

/// Somebody who writes down what is heard, and answers what is asked.
#[derive(Default)]
pub(crate) struct Listener {
    heard: Mutex<Vec<Value>>,
    asked: Mutex<Vec<Value>>,
    answer: Option<Value>,
}

impl Listener {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn answering(answer: Value) -> Arc<Self> {
        Arc::new(Self { answer: Some(answer), ..Self::default() })
    }

    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn shown(method: &str, params: Option<Box<RawValue>>) -> Value {
    let params: Value = params.map_or(Value::Null, |params| serde_json::from_str(params.get()).unwrap());
    json!({"method": method, "params": params})
}

impl Events for Listener {
    fn heard(&self, notification: Notification) {
        self.heard.lock().unwrap().push(shown(&notification.method, notification.params));
    }

    fn asked(&self, asked: Asked) -> BoxFuture<'_, Result<Box<RawValue>, RpcError>> {
        self.asked.lock().unwrap().push(shown(&asked.method, asked.params));
        let answer = self.answer.as_ref().map(raw).ok_or_else(|| RpcError::method_not_found(&asked.method));
        Box::pin(async move { answer })
    }
}
