//! What a request asks for: the methods of each era, and the scopes that each needs.

use axum::http::StatusCode;
use portcullis_oauth::scopes::{RESOURCES_READ, TOOLS_READ};
use portcullis_oauth::{Resource, ScopeSet};
use serde_json::Value;

use super::{Era, Level, Revision, code, meta};
use crate::envelope::Call;
use crate::errand::{Errand, Extras, Params};
use crate::management::OwnTool;
use crate::offer::Kind;
use crate::pipeline::listen::Wanted;
use crate::reach::Asking;
use crate::refusal::Refusal;

/// An operation, with its parameters read.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Opens a session in this revision, with a client who can be asked so.
    Initialize(Revision, Asking),
    /// Is anybody there?
    Ping,
    /// What the server is and speaks (HTTP26-17).
    Discover,
    /// What there is of one kind, from a cursor on.
    List(Kind, Option<String>),
    /// From which level on a session wants log messages.
    SetLevel(Level),
    /// Tell of changes from now on.
    Listen(Wanted),
    /// Tell a session when a resource changes, under the name that lists show.
    Subscribe(String),
    /// Do so no longer.
    Unsubscribe(String),
    /// Something to be done at one upstream, under the names that lists show, and what goes with it.
    Errand(Errand, Box<Extras>),
    /// A call of one of our own tools, with its arguments.
    Own(OwnTool, Params),
}

impl Operation {
    /// Reads a request of `era`.
    pub(crate) fn read(era: Era, call: Call) -> Result<Self, Refusal> {
        let Call { method, mut params } = call;
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.method() == method) {
            return Ok(Self::List(kind, cursor(&mut params)?));
        }
        match (era, method.as_str()) {
            (Era::Session, "initialize") => match params.get("protocolVersion") {
                Some(Value::String(requested)) => {
                    let asking = params.get("capabilities").map_or(Asking::NOTHING, Asking::declared);
                    Ok(Self::Initialize(Revision::negotiate(requested), asking))
                }
                _ => Err(invalid("protocolVersion is missing")),
            },
            (Era::Session, "ping") => Ok(Self::Ping),
            (Era::Session, "logging/setLevel") => {
                let level = params.get("level").and_then(Value::as_str).and_then(Level::parse);
                level.map(Self::SetLevel).ok_or_else(|| invalid("there is no such level"))
            }
            (Era::Stateless, "server/discover") => Ok(Self::Discover),
            (Era::Stateless, "subscriptions/listen") => match params.get("notifications") {
                Some(Value::Object(filter)) => Wanted::read(filter).map(Self::Listen),
                _ => Err(invalid("notifications is missing")),
            },
            (Era::Session, "resources/subscribe") => {
                text(&mut params, "uri", "uri is missing").map(Self::Subscribe)
            }
            (Era::Session, "resources/unsubscribe") => {
                text(&mut params, "uri", "uri is missing").map(Self::Unsubscribe)
            }
            (_, "tools/call" | "prompts/get" | "resources/read" | "completion/complete") => {
                let extras = extras(era, &mut params)?;
                Ok(Self::Errand(errand(&method, &mut params)?, Box::new(extras)))
            }
            // HTTP26-7: the body tells it from a bare 404; sessions know no other status than 200
            (Era::Stateless, _) => Err(unknown(StatusCode::NOT_FOUND)),
            (Era::Session, _) => Err(unknown(StatusCode::OK)),
        }
    }

    /// The same as it is meant at `resource`: our own tools are at the aggregate, where no connection has their names.
    pub(crate) fn at(self, resource: &Resource) -> Self {
        match self {
            Self::Errand(Errand::Tool { name, arguments }, extras) => match OwnTool::parse(&name) {
                Some(tool) if resource.alias.is_none() => Self::Own(tool, arguments),
                _ => Self::Errand(Errand::Tool { name, arguments }, extras),
            },
            other => other,
        }
    }

    /// Every scope that the operation needs (MCP-AUTH-10).
    pub(crate) fn scope(&self) -> ScopeSet {
        match self {
            Self::Initialize(..) | Self::Ping | Self::Discover | Self::SetLevel(_) => ScopeSet::default(),
            Self::Listen(wanted) => wanted.scope(),
            Self::List(Kind::Tools | Kind::Prompts, _) => ScopeSet::from_iter([TOOLS_READ]),
            Self::List(Kind::Resources | Kind::Templates, _) | Self::Subscribe(_) | Self::Unsubscribe(_) => {
                ScopeSet::from_iter([RESOURCES_READ])
            }
            Self::Errand(errand, _) => errand.scope(),
            Self::Own(..) => OwnTool::scope(),
        }
    }
}

fn cursor(params: &mut Params) -> Result<Option<String>, Refusal> {
    match params.remove("cursor") {
        None => Ok(None),
        Some(Value::String(cursor)) => Ok(Some(cursor)),
        Some(_) => Err(invalid("cursor is not a string")),
    }
}

/// What goes with a request beside what it asks for. The protocol's own members of `_meta` are said anew to each upstream.
fn extras(era: Era, params: &mut Params) -> Result<Extras, Refusal> {
    let meta = match params.remove("_meta") {
        Some(Value::Object(mut meta)) => {
            for own in [meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES, meta::CLIENT_INFO] {
                meta.remove(own);
            }
            meta
        }
        _ => Params::new(),
    };
    let state = match params.remove("requestState") {
        None => None,
        // MRTR-4: a session is handed no state, so that every state is forged there.
        Some(Value::String(state)) if era == Era::Stateless => Some(state),
        Some(_) => return Err(invalid("there is no such requestState")),
    };
    let responses = match params.remove("inputResponses") {
        Some(Value::Object(responses)) if era == Era::Stateless => Some(responses),
        _ => None,
    };
    Ok(Extras { meta, responses, state, mirrored: vec![] })
}

fn errand(method: &str, params: &mut Params) -> Result<Errand, Refusal> {
    match method {
        "resources/read" => Ok(Errand::Resource { uri: text(params, "uri", "uri is missing")? }),
        "completion/complete" => completion(params),
        _ => {
            let name = text(params, "name", "name is missing")?;
            let arguments = match params.remove("arguments") {
                None => Params::new(),
                Some(Value::Object(arguments)) => arguments,
                Some(_) => return Err(invalid("arguments is not an object")),
            };
            if method == "tools/call" {
                Ok(Errand::Tool { name, arguments })
            } else {
                Ok(Errand::Prompt { name, arguments })
            }
        }
    }
}

fn completion(params: &mut Params) -> Result<Errand, Refusal> {
    let Some(Value::Object(mut reference)) = params.remove("ref") else {
        return Err(invalid("ref is missing"));
    };
    let mut rest = Params::new();
    for member in ["argument", "context"] {
        if let Some(value) = params.remove(member) {
            rest.insert(member.to_owned(), value);
        }
    }
    if !rest.get("argument").is_some_and(Value::is_object) {
        return Err(invalid("argument is missing"));
    }
    match reference.get("type").and_then(Value::as_str) {
        Some("ref/prompt") => {
            Ok(Errand::PromptCompletion { name: text(&mut reference, "name", "ref.name is missing")?, rest })
        }
        Some("ref/resource") => {
            Ok(Errand::ResourceCompletion { uri: text(&mut reference, "uri", "ref.uri is missing")?, rest })
        }
        _ => Err(invalid("ref.type is neither ref/prompt nor ref/resource")),
    }
}

fn text(params: &mut Params, member: &str, missing: &'static str) -> Result<String, Refusal> {
    match params.remove(member) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(invalid(missing)),
    }
}

fn invalid(message: &'static str) -> Refusal {
    Refusal::error("invalid_params", code::INVALID_PARAMS, message)
}

fn unknown(status: StatusCode) -> Refusal {
    Refusal::rpc("unknown_method", status, code::METHOD_NOT_FOUND, "method not found")
}
