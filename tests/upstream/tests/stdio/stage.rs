//! What the stories share: a pool that may start programs, and who is alive.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_oauth::{TestClock, Timestamp};
use portcullis_outbound::{Outbound, Policy};
use portcullis_upstream::{
    Asked, BoxFuture, Endpoint, Events, Failure, Headers, Launcher, Notification, Pool, Program, Request,
    RpcError, Settings, Transport,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// A pool and its clock.
pub(crate) struct Stage {
    pub(crate) pool: Pool,
    pub(crate) clock: TestClock,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(mut settings: Settings) -> Self {
        let executable = env!("CARGO_BIN_EXE_fixture-launcher").into();
        settings.launcher = Some(Launcher { executable, arguments: Vec::new() });
        let clock = TestClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        let outbound = Outbound::new(Policy::default()).unwrap();
        Self { pool: Pool::new(outbound, Arc::new(clock.clone()), settings), clock }
    }

    pub(crate) async fn call(
        &self,
        endpoint: &Endpoint,
        tool: &str,
        arguments: &Value,
    ) -> Result<Value, Failure> {
        self.send(endpoint, request(tool, arguments)).await
    }

    pub(crate) async fn send(&self, endpoint: &Endpoint, request: Request) -> Result<Value, Failure> {
        let result = self.pool.request(endpoint, request).await?;
        Ok(serde_json::from_str(result.get()).unwrap())
    }

    /// The number of the child that serves this endpoint.
    pub(crate) async fn child(&self, endpoint: &Endpoint) -> i32 {
        let result = self.call(endpoint, "environment", &json!({})).await.unwrap();
        let told: Value = serde_json::from_str(text(&result)).unwrap();
        i32::try_from(told["process"].as_i64().unwrap()).unwrap()
    }
}

pub(crate) fn request(tool: &str, arguments: &Value) -> Request {
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "mine"}});
    Request::new("tools/call").with(raw(&params)).within(Duration::from_secs(20))
}

/// The fixture as a child, speaking one era.
pub(crate) fn fixture(key: &str, era: &str) -> Endpoint {
    program(key, env!("CARGO_BIN_EXE_fixture-upstream"), &["stdio", era])
}

pub(crate) fn program(key: &str, command: &str, arguments: &[&str]) -> Endpoint {
    let environment = vec![("GREETING".to_owned(), Zeroizing::new("hello".to_owned()))];
    let arguments = arguments.iter().map(ToString::to_string).collect();
    let program = Program { command: command.to_owned(), arguments, environment, secrets: vec![] };
    Endpoint {
        key: key.to_owned(),
        transport: Transport::Stdio(program),
        headers: Headers::default(),
        capabilities: raw(&json!({})),
        remembered: None,
    }
}

pub(crate) fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

/// Whether there is such a process, a zombie included.
pub(crate) fn exists(process: i32) -> bool {
    fs::exists(format!("/proc/{process}")).unwrap()
}

/// Whether there is such a process and it lives.
pub(crate) fn lives(process: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Waits until something is so, which others bring about.
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
    answer: Option<Value>,
}

impl Listener {
    pub(crate) fn answering(answer: Value) -> Arc<Self> {
        Arc::new(Self { answer: Some(answer), ..Self::default() })
    }

    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }
}

impl Events for Listener {
    fn heard(&self, notification: Notification) {
        let params = notification.params.map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap());
        self.heard.lock().unwrap().push(params);
    }

    fn asked(&self, asked: Asked) -> BoxFuture<'_, Result<Box<RawValue>, RpcError>> {
        let answer = self.answer.as_ref().map(raw).ok_or_else(|| RpcError::method_not_found(&asked.method));
        Box::pin(async move { answer })
    }
}

/// Somebody who thinks about every question until they are told to answer, and counts what is heard meanwhile.
pub(crate) struct Ponderer {
    may_answer: Semaphore,
    open: AtomicUsize,
    heard: AtomicUsize,
}

/// A question that is thought about.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ponderer {
    pub(crate) fn new() -> Arc<Self> {
        let (open, heard) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { may_answer: Semaphore::new(0), open, heard })
    }

    /// So many questions are open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    /// Answers all of them.
    pub(crate) fn answer(&self) {
        self.may_answer.add_permits(1_000);
    }
}

impl Events for Ponderer {
    fn heard(&self, _: Notification) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    fn asked(&self, _: Asked) -> BoxFuture<'_, Result<Box<RawValue>, RpcError>> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(&self.open);
        Box::pin(async move {
            let _open = open;
            self.may_answer.acquire().await.unwrap().forget();
            Ok(raw(&json!({"action": "decline"})))
        })
    }
}
