//! What a stream is asked to tell of.

use portcullis_oauth::ScopeSet;
use portcullis_oauth::scopes::{RESOURCES_READ, TOOLS_READ};
use serde_json::{Map, Value};

use crate::protocol::code;
use crate::refusal::Refusal;
use crate::session::subscriptions::MOST_WATCHED;

/// The lists by their capability, and the member of a filter that asks for them.
pub(super) const LISTS: [(&str, &str); 3] =
    [("tools", "toolsListChanged"), ("prompts", "promptsListChanged"), ("resources", "resourcesListChanged")];
/// The member that asks for single resources.
const RESOURCES: &str = "resourceSubscriptions";

/// What a stream tells of: lists, by their capability, and single resources, by the names that the client knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    kinds: Vec<&'static str>,
    pub(super) uris: Vec<String>,
}

impl Wanted {
    /// Every list. Which resources a session watches stands elsewhere, and is another from time to time.
    pub(in crate::pipeline) fn lists() -> Self {
        Self { kinds: LISTS.iter().map(|(capability, _)| *capability).collect(), uris: vec![] }
    }

    /// What a filter asks for.
    pub(crate) fn read(filter: &Map<String, Value>) -> Result<Self, Refusal> {
        let wants = |member: &str| filter.get(member) == Some(&Value::Bool(true));
        let kinds =
            LISTS.iter().filter(|(_, member)| wants(member)).map(|(capability, _)| *capability).collect();
        let mut uris: Vec<String> = vec![];
        for uri in filter.get(RESOURCES).map_or(Ok(&[][..]), listed)? {
            let uri = uri.as_str().ok_or_else(unreadable)?;
            if !uris.iter().any(|known| known == uri) {
                uris.push(uri.to_owned());
            }
            if uris.len() > MOST_WATCHED {
                let text = format!("{RESOURCES} names more than {MOST_WATCHED} resources");
                return Err(Refusal::error("subscriptions_full", code::INVALID_PARAMS, text));
            }
        }
        Ok(Self { kinds, uris })
    }

    /// Every scope that is needed to hear of it.
    pub(crate) fn scope(&self) -> ScopeSet {
        let resources = self.kinds.contains(&"resources") || self.watches();
        let tools = self.kinds.iter().any(|kind| *kind != "resources");
        let needed = [(tools, TOOLS_READ), (resources, RESOURCES_READ)];
        needed.into_iter().filter(|(needed, _)| *needed).map(|(_, scope)| scope).collect()
    }

    /// Whether it asks for single resources.
    pub(crate) fn watches(&self) -> bool {
        !self.uris.is_empty()
    }

    /// Whether it asks for the list of this capability.
    pub(super) fn has(&self, capability: &str) -> bool {
        self.kinds.contains(&capability)
    }

    /// The same without what a token does not cover.
    pub(super) fn covered(mut self, held: &ScopeSet) -> Self {
        self.kinds
            .retain(|kind| held.contains(if *kind == "resources" { RESOURCES_READ } else { TOOLS_READ }));
        if !held.contains(RESOURCES_READ) {
            self.uris.clear();
        }
        self
    }

    /// The filter that is honoured, of the resources no more than `watched`.
    pub(super) fn honoured(&self, watched: &[&str]) -> Value {
        let mut filter = Map::new();
        for (capability, member) in LISTS {
            if self.has(capability) {
                filter.insert(member.to_owned(), Value::Bool(true));
            }
        }
        if !watched.is_empty() {
            filter.insert(RESOURCES.to_owned(), watched.into());
        }
        Value::Object(filter)
    }
}

fn listed(value: &Value) -> Result<&[Value], Refusal> {
    value.as_array().map(Vec::as_slice).ok_or_else(unreadable)
}

fn unreadable() -> Refusal {
    let text = format!("{RESOURCES} is not a list of URIs");
    Refusal::error("invalid_params", code::INVALID_PARAMS, text)
}
