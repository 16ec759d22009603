//! What is to be done at one upstream server: a call, a prompt, a read or a completion. Only
//! [`Permitted`](crate::policy::Permitted) makes it executable. Knows the words of the wire, no user and no server.

use std::sync::Arc;

use portcullis_oauth::ScopeSet;
use portcullis_oauth::scopes::{RESOURCES_READ, TOOLS_EXECUTE, TOOLS_READ};
use serde_json::{Map, Value, json};

use crate::connections::Connection;

/// Members of a request.
pub(crate) type Params = Map<String, Value>;

/// Something to be done, under the upstream's own names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Errand {
    /// Run a tool.
    Tool {
        /// Which.
        name: String,
        /// With what; it obeys the tool's schema once the pipeline has passed it.
        arguments: Params,
    },
    /// Get a prompt.
    Prompt {
        /// Which.
        name: String,
        /// With what.
        arguments: Params,
    },
    /// Read a resource.
    Resource {
        /// Which.
        uri: String,
    },
    /// Complete an argument of a prompt.
    PromptCompletion {
        /// Of which.
        name: String,
        /// The argument, and what else is known.
        rest: Params,
    },
    /// Complete a variable of a resource template.
    ResourceCompletion {
        /// Of which.
        uri: String,
        /// The variable, and what else is known.
        rest: Params,
    },
}

impl Errand {
    /// The method.
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::Tool { .. } => "tools/call",
            Self::Prompt { .. } => "prompts/get",
            Self::Resource { .. } => "resources/read",
            Self::PromptCompletion { .. } | Self::ResourceCompletion { .. } => "completion/complete",
        }
    }

    /// The name or address of what is meant.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Tool { name, .. } | Self::Prompt { name, .. } | Self::PromptCompletion { name, .. } => name,
            Self::Resource { uri } | Self::ResourceCompletion { uri, .. } => uri,
        }
    }

    /// What it brings along.
    pub(crate) const fn arguments(&self) -> Option<&Params> {
        match self {
            Self::Tool { arguments, .. } | Self::Prompt { arguments, .. } => Some(arguments),
            Self::PromptCompletion { rest, .. } | Self::ResourceCompletion { rest, .. } => Some(rest),
            Self::Resource { .. } => None,
        }
    }

    /// The same errand for what the upstream calls `own`.
    pub(crate) fn named(mut self, own: &str) -> Self {
        match &mut self {
            Self::Tool { name, .. } | Self::Prompt { name, .. } | Self::PromptCompletion { name, .. } => {
                own.clone_into(name);
            }
            Self::Resource { uri } | Self::ResourceCompletion { uri, .. } => own.clone_into(uri),
        }
        self
    }

    /// Whether its name is an address.
    pub(crate) const fn is_addressed(&self) -> bool {
        matches!(self, Self::Resource { .. } | Self::ResourceCompletion { .. })
    }

    /// The one permission and scope that it needs.
    pub(crate) const fn needs(&self) -> &'static str {
        match self {
            Self::Tool { .. } => TOOLS_EXECUTE,
            Self::Prompt { .. } | Self::PromptCompletion { .. } => TOOLS_READ,
            Self::Resource { .. } | Self::ResourceCompletion { .. } => RESOURCES_READ,
        }
    }

    /// The same as a set.
    pub(crate) fn scope(&self) -> ScopeSet {
        ScopeSet::from_iter([self.needs()])
    }

    /// The parameters as the upstream reads them: always written anew from values that were checked.
    pub(crate) fn into_params(self) -> Params {
        let completion = |reference: Value, mut rest: Params| {
            rest.insert("ref".to_owned(), reference);
            rest
        };
        match self {
            Self::Tool { name, arguments } | Self::Prompt { name, arguments } => Params::from_iter([
                ("name".to_owned(), Value::from(name)),
                ("arguments".to_owned(), Value::Object(arguments)),
            ]),
            Self::Resource { uri } => Params::from_iter([("uri".to_owned(), Value::from(uri))]),
            Self::PromptCompletion { name, rest } => {
                completion(json!({"type": "ref/prompt", "name": name}), rest)
            }
            Self::ResourceCompletion { uri, rest } => {
                completion(json!({"type": "ref/resource", "uri": uri}), rest)
            }
        }
    }
}

/// What goes with a request beside what it asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Extras {
    /// Members of `_meta` that are not the protocol's own to each server.
    pub(crate) meta: Params,
    /// What a person answered to what the server asked back.
    pub(crate) responses: Option<Params>,
    /// What the server wants to see again with that.
    pub(crate) state: Option<String>,
    /// Arguments that stand in headers too: as the client sent them, and once they were held against the body as the
    /// server is sent them.
    pub(crate) mirrored: Vec<(String, String)>,
}

impl Extras {
    /// The parameters of a request with these beside them.
    pub(crate) fn into_params(self, mut params: Params) -> Params {
        if !self.meta.is_empty() {
            params.insert("_meta".to_owned(), Value::Object(self.meta));
        }
        if let Some(responses) = self.responses {
            params.insert("inputResponses".to_owned(), Value::Object(responses));
        }
        if let Some(state) = self.state {
            params.insert("requestState".to_owned(), Value::from(state));
        }
        params
    }
}

/// An errand at one connection: what the policy decides about.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    /// Where.
    pub(crate) connection: Arc<Connection>,
    /// What.
    pub(crate) errand: Errand,
    /// And what goes with it.
    pub(crate) extras: Extras,
}
