//! What an upstream offers: tools, prompts, resources and templates of resources, as its lists describe them. Members that
//! this release does not know stay. Owns reading and naming; who sees what is the policy's to say.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use portcullis_oauth::Alias;
use portcullis_upstream::mirror::{self, Mirrored};
use serde_json::{Map, Value};

use crate::names;
use crate::pins::Pinned;
use crate::schema::{self, SchemaError};

/// A sort of thing that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// What can be called.
    Tools,
    /// What can be got.
    Prompts,
    /// What can be read.
    Resources,
    /// Patterns of addresses of what can be read.
    Templates,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The method that lists it.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The capability that announces it.
    pub(crate) const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }

    /// The member of a list's result that holds the entries.
    pub(crate) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an entry that tells it from others.
    const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// One entry of a list.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The upstream's own name or address for it.
    pub(crate) key: String,
    /// How the upstream describes it. Its annotations are a hint to clients and never allow anything here (TOOL-8).
    pub(crate) description: Map<String, Value>,
    /// Which arguments are mirrored into headers.
    pub(crate) mirrored: Vec<Mirrored>,
    /// How it stands to its pin, if it is a tool.
    pub(crate) pinned: Pinned,
    /// The compiled schemas, made when they are first needed: most tools are listed often and never called.
    schema: OnceLock<Result<Validator, SchemaError>>,
    output: OnceLock<Result<Validator, SchemaError>>,
}

impl Offer {
    /// Reads an entry; `None` for what nobody could use.
    pub(crate) fn read(kind: Kind, entry: Value) -> Option<Self> {
        let Value::Object(description) = entry else { return None };
        let key = description.get(kind.key())?.as_str()?.to_owned();
        let usable = match kind {
            Kind::Tools => {
                names::is_usable(&key)
                    && description.get("inputSchema").is_some_and(schema::describes_an_object)
            }
            Kind::Prompts => names::is_usable(&key),
            Kind::Resources | Kind::Templates => is_address(&key),
        };
        let mirrored = match description.get("inputSchema").filter(|_| kind == Kind::Tools) {
            // HTTP26-13: what cannot be mirrored as it says is no tool
            Some(schema) => mirror::declared(schema)
                .inspect_err(|why| tracing::warn!(tool = key, %why, "a tool is left out of its list"))
                .ok()?,
            None => vec![],
        };
        let (schema, output) = (OnceLock::new(), OnceLock::new());
        let pinned = Pinned::default();
        usable.then_some(Self { key, description, mirrored, pinned, schema, output })
    }

    /// What a result must obey, if the tool says so (TOOL-5).
    pub(crate) fn output_schema(&self) -> Option<Result<&Validator, SchemaError>> {
        let described = self.description.get("outputSchema")?;
        let compiled = self.output.get_or_init(|| schema::compile(described));
        Some(compiled.as_ref().map_err(|why| *why))
    }

    /// What arguments must obey.
    pub(crate) fn schema(&self) -> Result<&Validator, SchemaError> {
        let compile = || schema::compile(self.description.get("inputSchema").unwrap_or(&Value::Null));
        self.schema.get_or_init(compile).as_ref().map_err(|why| *why)
    }

    /// The entry as a list shows it, under the name that it has there.
    fn listed_as(&self, kind: Kind, name: &str) -> Value {
        let mut listed = self.description.clone();
        listed.insert(kind.key().to_owned(), Value::from(name));
        Value::Object(listed)
    }
}

/// No resource has a longer address, in bytes.
pub(crate) const LONGEST_ADDRESS: usize = 4_096;

/// An address has a scheme, and nothing in it breaks a line.
pub(crate) fn is_address(uri: &str) -> bool {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty())
        && uri.len() <= LONGEST_ADDRESS
        && !uri.chars().any(char::is_control)
}

/// Everything of one kind that one connection offers, with the names that it has at the aggregate.
#[derive(Debug)]
pub(crate) struct Listing {
    kind: Kind,
    offers: Vec<Arc<Offer>>,
    aggregate: Vec<Option<String>>,
    by_key: HashMap<String, usize>,
    by_aggregate: HashMap<String, usize>,
}

impl Listing {
    /// Reads the entries of a list, in the upstream's order. Of two with one name the first stays.
    pub(crate) fn read(kind: Kind, alias: &Alias, entries: Vec<Value>) -> Self {
        let mut offers: Vec<Arc<Offer>> = Vec::with_capacity(entries.len());
        let mut by_key = HashMap::new();
        for offer in entries.into_iter().filter_map(|entry| Offer::read(kind, entry)) {
            if !by_key.contains_key(&offer.key) {
                by_key.insert(offer.key.clone(), offers.len());
                offers.push(Arc::new(offer));
            }
        }
        let keys: Vec<&str> = offers.iter().map(|offer| offer.key.as_str()).collect();
        let aggregate = match kind {
            Kind::Tools | Kind::Prompts => names::at_aggregate(alias, &keys),
            Kind::Resources | Kind::Templates => {
                keys.iter().map(|key| Some(names::wrap_uri(alias, key))).collect()
            }
        };
        let indexed = aggregate.iter().enumerate();
        let by_aggregate = indexed.filter_map(|(at, name)| Some((name.clone()?, at))).collect();
        Self { kind, offers, aggregate, by_key, by_aggregate }
    }

    /// Everything, in the order of the list.
    pub(crate) fn offers(&self) -> &[Arc<Offer>] {
        &self.offers
    }

    /// The same, each entry standing to its pin as `stands` says.
    pub(crate) fn pinned(mut self, stands: impl Fn(&Offer) -> Pinned) -> Self {
        // Nobody else has the entries of a list that is just being read.
        for offer in self.offers.iter_mut().filter_map(Arc::get_mut) {
            offer.pinned = stands(offer);
        }
        self
    }

    /// Each entry that `visible` lets through, by its name at the aggregate or its own, as a list shows it.
    pub(crate) fn shown(&self, own: bool, visible: impl Fn(&Offer) -> bool) -> Vec<(String, Value)> {
        let named = self.offers.iter().zip(&self.aggregate).filter(|(offer, _)| visible(offer));
        let shown = named.filter_map(|(offer, aggregate)| {
            let name = if own { &offer.key } else { aggregate.as_ref()? };
            Some((name.clone(), offer.listed_as(self.kind, name)))
        });
        shown.collect()
    }

    /// The entry of this name, which is the upstream's own or that of the aggregate.
    pub(crate) fn find(&self, own: bool, name: &str) -> Option<Arc<Offer>> {
        let index = if own { &self.by_key } else { &self.by_aggregate };
        self.offers.get(*index.get(name)?).cloned()
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let description = |offer: &Arc<Offer>| 200 + 4 * offer.key.len() + 3 * weigh(&offer.description);
        200 + self.offers.iter().map(description).sum::<usize>()
    }
}

/// The length of a description as JSON.
fn weigh(description: &Map<String, Value>) -> usize {
    serde_json::to_vec(description).map_or(0, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alias() -> Alias {
        Alias::parse("demo").unwrap()
    }

    /// TOOL-3, TOOL-9, HTTP26-17: what is unusable is left out, what is unknown stays
    #[test]
    fn a_list_keeps_what_can_be_used_with_everything_that_was_said_of_it() {
        let object = json!({"type": "object"});
        let entries = vec![
            json!({"name": "a", "inputSchema": object, "x-later": {"kept": [1]}}),
            json!({"name": "a", "inputSchema": object, "description": "the second of one name"}),
            json!({"name": "b", "inputSchema": null}),
            json!({"name": "c", "inputSchema": {"type": "string"}}),
            json!({"name": "line\nbreak", "inputSchema": object}),
            json!({"name": "", "inputSchema": object}),
            json!("nonsense"),
        ];
        let listing = Listing::read(Kind::Tools, &alias(), entries);
        let shown = listing.shown(false, |_| true);
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].1, json!({"name": "demo__a", "inputSchema": object, "x-later": {"kept": [1]}}));
        assert_eq!(listing.shown(true, |_| true)[0].1["name"], "a");
        assert!(listing.find(false, "demo__a").is_some() && listing.find(false, "a").is_none());
        assert!(listing.find(true, "a").is_some() && listing.find(true, "demo__a").is_none());
    }

    #[test]
    fn an_address_is_wrapped_and_found() {
        let entries = vec![json!({"uri": "test://x", "name": "x"}), json!({"uri": "nowhere", "name": "y"})];
        let listing = Listing::read(Kind::Resources, &alias(), entries);
        assert_eq!(listing.shown(false, |_| true)[0].1, json!({"uri": "demo+test://x", "name": "x"}));
        assert_eq!(listing.find(false, "demo+test://x").unwrap().key, "test://x");
    }
}
