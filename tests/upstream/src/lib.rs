//! An MCP server to test against: everything that the conformance suite's server scenarios ask for, in every era and over
//! every transport, and much that no server should do.
//!
//! It is written by hand on axum, so that it shares no code with what it tests and can misbehave in any place; that it is
//! right where it is right is the conformance suite's verdict. [`Upstream`] runs it inside a test, the program
//! `fixture-upstream` beside one.
//!
//! | path | what |
//! |---|---|
//! | `/mcp` | both eras |
//! | `/stateless`, `/sessions` | one of them |
//! | `/json` | sessions, answers in plain JSON wherever nothing is asked, and one stream of changes at a time |
//! | `/mute` | sessions that have no stream of changes |
//! | `/sse` | HTTP with SSE of 2024-11-05 |
//! | `/bad/…` | see [`http::bad`] |

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a server for tests: a surprise ends the story"
)]

mod answers;
mod body;
mod changes;
pub mod http;
mod prompts;
mod resources;
mod state;
pub mod stdio;
mod talk;
pub mod tools;

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use state::Seen;
use state::State;

/// The server inside a test; it ends with this value.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

impl Upstream {
    /// Starts one on a port of its own of this computer.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener)
    }

    /// Starts one on this listener.
    pub fn on(listener: TcpListener) -> Self {
        let (address, state) = (listener.local_addr().expect("an address"), State::new());
        let router = http::router(state.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { address, state, _serving: serving }
    }

    /// The address of one of its paths.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request that came so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen()
    }

    /// The requests with this JSON-RPC method, or with this HTTP method where there is no body.
    pub fn seen_of(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method == method).collect()
    }

    /// The ids of the calls that ended because nobody waited for them any more.
    pub fn cancelled(&self) -> Vec<Value> {
        self.state.cancelled()
    }

    /// How many streams of changes are open.
    pub fn listening(&self) -> usize {
        self.state.listening()
    }

    /// Forgets every session, as a server does that was restarted.
    pub fn forget_sessions(&self) {
        self.state.forget_sessions();
    }

    /// Lists a tool with another definition, or one that was not there. It is called as before.
    pub fn define(&self, tool: Value) {
        let name = tool["name"].as_str().expect("a name").to_owned();
        self.state.define(&name, Some(tool));
    }

    /// Lists a tool no longer.
    pub fn withdraw(&self, name: &str) {
        self.state.define(name, None);
    }

    /// Asks something of everybody who listens to changes, as no server may.
    pub fn ask(&self, method: &str) {
        self.state.announce(&json!({"jsonrpc": "2.0", "id": 1, "method": method}));
    }

    /// Tells those who watch a resource that it changed.
    pub fn change(&self, uri: &str) {
        self.state.announce(&changes::updated(uri));
    }

    /// Offers no subscriptions to single resources from now on.
    pub fn tell_of_no_resource(&self) {
        self.state.tell_of_no_resource();
    }

    /// Says all of this at once to everybody who listens in a session, whoever wants to hear it: methods and parameters.
    pub fn flood(&self, said: &[Value]) {
        let message = |said: &Value| {
            let mut message = said.clone();
            message["jsonrpc"] = json!("2.0");
            message
        };
        self.state.announce(&said.iter().map(message).collect());
    }

    /// Says something to everybody who listens to changes.
    pub fn announce(&self, method: &str) {
        self.state.announce(&json!({"jsonrpc": "2.0", "method": method}));
    }
}
