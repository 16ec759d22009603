//! What a request asks for: the methods of each era, and the scopes that each needs.

use axum::http::StatusCode;
use portcullis_oauth::ScopeSet;
use portcullis_oauth::scopes::{TOOLS_EXECUTE, TOOLS_READ};
use serde_json::Value;

use super::{Era, Revision, code};
use crate::envelope::{Call, Params};
use crate::refusal::Refusal;

/// An operation, with its parameters read.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Opens a session in this revision.
    Initialize(Revision),
    /// Is anybody there?
    Ping,
    /// What the server is and speaks (HTTP26-17).
    Discover,
    /// Which tools there are.
    ListTools,
    /// Run one.
    CallTool {
        /// As the list names it.
        name: String,
        /// With what.
        arguments: Params,
    },
}

impl Operation {
    /// Reads a request of `era`.
    pub(crate) fn read(era: Era, call: Call) -> Result<Self, Refusal> {
        let Call { method, mut params } = call;
        match (era, method.as_str()) {
            (Era::Session, "initialize") => match params.get("protocolVersion") {
                Some(Value::String(requested)) => Ok(Self::Initialize(Revision::negotiate(requested))),
                _ => Err(invalid("protocolVersion is missing")),
            },
            (Era::Session, "ping") => Ok(Self::Ping),
            (Era::Stateless, "server/discover") => Ok(Self::Discover),
            (_, "tools/list") if params.contains_key("cursor") => Err(invalid("there is no such cursor")),
            (_, "tools/list") => Ok(Self::ListTools),
            (_, "tools/call") => Self::read_call(&mut params),
            // HTTP26-7: the body tells it from a bare 404; sessions know no other status than 200
            (Era::Stateless, _) => Err(unknown(StatusCode::NOT_FOUND)),
            (Era::Session, _) => Err(unknown(StatusCode::OK)),
        }
    }

    fn read_call(params: &mut Params) -> Result<Self, Refusal> {
        // MRTR-4: we hand out no state, so every state is forged
        if params.contains_key("requestState") {
            return Err(invalid("there is no such requestState"));
        }
        let Some(Value::String(name)) = params.remove("name") else {
            return Err(invalid("name is missing"));
        };
        match params.remove("arguments") {
            None => Ok(Self::CallTool { name, arguments: Params::new() }),
            Some(Value::Object(arguments)) => Ok(Self::CallTool { name, arguments }),
            Some(_) => Err(invalid("arguments is not an object")),
        }
    }

    /// Every scope that the operation needs (MCP-AUTH-10).
    pub(crate) fn scope(&self) -> ScopeSet {
        match self {
            Self::Initialize(_) | Self::Ping | Self::Discover => ScopeSet::default(),
            Self::ListTools => ScopeSet::from_iter([TOOLS_READ]),
            Self::CallTool { .. } => ScopeSet::from_iter([TOOLS_EXECUTE]),
        }
    }
}

fn invalid(message: &'static str) -> Refusal {
    Refusal::error("invalid_params", code::INVALID_PARAMS, message)
}

fn unknown(status: StatusCode) -> Refusal {
    Refusal::rpc("unknown_method", status, code::METHOD_NOT_FOUND, "method not found")
}
