//! What a list says that its connection's pins do not know yet: tools that are new, that are others than before, or that are
//! gone. Compares and decides what a rule accepts; the store writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::hidden::{made_visible, warnings};
use super::{Accepted, Definition};
use crate::offer::Offer;
use crate::policy::Trust;

/// So many names go into the paper trail.
const NAMED: usize = 20;

/// What is known of the tool of one row.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) accepted: Accepted,
    pub(super) seen: Option<String>,
}

/// What a list says, by the names of tools.
pub(super) type Seen<'o> = BTreeMap<&'o str, (&'o Offer, Definition)>;

/// What is new about it.
#[derive(Debug, Default)]
pub(super) struct News<'o> {
    /// Tools that no row knows, and whether a rule accepts them.
    pub(super) first: Vec<(&'o str, bool)>,
    /// Tools that are listed with another definition than before, or again.
    pub(super) other: Vec<&'o str>,
    /// Tools that wait and that the rule of today accepts.
    pub(super) released: Vec<&'o str>,
    /// Tools that are no longer listed.
    pub(super) gone: Vec<String>,
}

impl<'o> News<'o> {
    /// Holds what is listed against what is known.
    pub(super) fn between(known: &BTreeMap<String, Known>, seen: &Seen<'o>, trust: Trust) -> Self {
        let mut news = Self::default();
        for (name, (offer, definition)) in seen {
            let Some(row) = known.get(*name) else {
                news.first.push((*name, is_taken(offer, trust)));
                continue;
            };
            if row.seen.as_ref() != Some(&definition.hash) {
                news.other.push(*name);
            }
            if row.accepted.hash.is_none() && is_taken(offer, trust) {
                news.released.push(*name);
            }
        }
        let listed: BTreeSet<&str> = seen.keys().copied().collect();
        let gone = known.iter().filter(|(name, row)| row.seen.is_some() && !listed.contains(name.as_str()));
        news.gone = gone.map(|(name, _)| name.clone()).collect();
        news
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.other.is_empty() && self.released.is_empty() && self.gone.is_empty()
    }

    /// For the paper trail: how many, and the names of some.
    pub(super) fn detail(&self) -> Value {
        let some = |names: Vec<&str>| {
            let shown: Vec<String> = names.iter().take(NAMED).map(|name| made_visible(name)).collect();
            json!({"count": names.len(), "names": shown})
        };
        let waiting = self.first.iter().filter(|(_, taken)| !taken).map(|(name, _)| *name).collect();
        json!({
            "new": some(self.first.iter().map(|(name, _)| *name).collect()),
            "new_and_waiting": some(waiting),
            "changed": some(self.other.clone()),
            "gone": some(self.gone.iter().map(String::as_str).collect()),
        })
    }
}

/// Whether the rule of a server accepts a tool that nobody reviewed. One that hides something waits for a person, however
/// far its server is trusted (T26).
fn is_taken(offer: &Offer, trust: Trust) -> bool {
    matches!(trust, Trust::Reading | Trust::All)
        && warnings(&Value::Object(offer.description.clone())).is_empty()
}
