//! Upstream servers. Two doors: [`Upstreams::execute`], which takes nothing but a permitted call, and [`Discovery`],
//! which carries no user's arguments. Today's one upstream is the built-in sandbox.

use crate::connections::Connection;
use crate::policy::Permitted;
use crate::sandbox::{SERVER, Sandbox};
use crate::tool::{Tool, ToolCall, ToolResult};

/// Why a call that was allowed gave no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something that the caller can mend; the text is for them.
    Told(String),
    /// Something inside; the caller learns a trace id, the log the cause.
    Inside(Box<dyn std::error::Error + Send + Sync>),
}

/// Every upstream that connections lead to.
pub(crate) struct Upstreams {
    sandbox: Sandbox,
}

impl Upstreams {
    /// The upstreams, of which the sandbox is always there.
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }

    /// Runs a call that the policy allowed.
    pub(crate) async fn execute(&self, call: Permitted<ToolCall>) -> Result<ToolResult, Failure> {
        let call = call.into_action();
        if call.connection.server == SERVER {
            self.sandbox.call(&call.connection.principal_id, &call.tool, call.arguments).await
        } else {
            Err(Failure::Inside(format!("no upstream server is called {}", call.connection.server).into()))
        }
    }

    /// The door for lists.
    pub(crate) fn discovery(&self) -> Discovery<'_> {
        Discovery(self)
    }
}

/// Asks upstreams what they offer, on nobody's behalf and without arguments.
pub(crate) struct Discovery<'a>(&'a Upstreams);

impl<'a> Discovery<'a> {
    /// The tools behind a connection, in a stable order.
    pub(crate) fn tools(&self, connection: &Connection) -> &'a [Tool] {
        if connection.server == SERVER { self.0.sandbox.tools() } else { &[] }
    }

    /// The tool of this upstream name.
    pub(crate) fn tool(&self, connection: &Connection, name: &str) -> Option<&'a Tool> {
        self.tools(connection).iter().find(|tool| tool.name == name)
    }
}
