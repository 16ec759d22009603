//! What servers say has changed, until somebody takes it: of each key one piece, however often its server says so. The noise of
//! one server takes no place from what others say (T24).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::Notify;

use crate::Notification;

/// The names of so many resources are kept for one key, and none that is longer, in bytes. Where a server names more, every
/// resource of which it was asked to tell may have changed.
const NAMES: usize = 64;
const LONGEST: usize = 4_096;

/// What a server said has changed, outside of any request, since it was taken last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The key of the endpoint that it came from.
    pub key: String,
    /// `notifications/tools/list_changed`.
    pub tools: bool,
    /// `notifications/prompts/list_changed`.
    pub prompts: bool,
    /// `notifications/resources/list_changed`.
    pub resources: bool,
    /// `notifications/resources/updated` of these. Where it named too many, all of which it was asked to tell.
    pub updated: BTreeSet<String>,
}

/// One thing that changed.
pub(crate) enum Change {
    Tools,
    Prompts,
    Resources,
    Resource(String),
}

#[derive(Deserialize)]
struct Updated {
    uri: String,
}

impl Change {
    /// What a notification says has changed, whichever stream it came on; nothing if it says something else.
    pub(crate) fn of(notification: &Notification) -> Option<Self> {
        match notification.method.as_str() {
            "notifications/tools/list_changed" => Some(Self::Tools),
            "notifications/prompts/list_changed" => Some(Self::Prompts),
            "notifications/resources/list_changed" => Some(Self::Resources),
            "notifications/resources/updated" => {
                let Updated { uri } = serde_json::from_str(notification.params.as_deref()?.get()).ok()?;
                Some(Self::Resource(uri))
            }
            _ => None,
        }
    }
}

/// What is known of one key.
#[derive(Default)]
pub(crate) struct Changes {
    tools: bool,
    prompts: bool,
    resources: bool,
    names: Names,
}

/// Which resources changed.
enum Names {
    These(BTreeSet<String>),
    /// Any of them may have.
    Any,
}

impl Default for Names {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Changes {
    fn add(&mut self, change: Change) {
        match change {
            Change::Tools => self.tools = true,
            Change::Prompts => self.prompts = true,
            Change::Resources => self.resources = true,
            Change::Resource(uri) => self.names.add(uri),
        }
    }

    /// As it is told, where the server of `key` was asked to tell of the resources that `asked` gives.
    pub(crate) fn told(self, key: String, asked: impl FnOnce() -> BTreeSet<String>) -> Heard {
        let updated = match self.names {
            Names::These(names) => names,
            Names::Any => asked(),
        };
        Heard { key, tools: self.tools, prompts: self.prompts, resources: self.resources, updated }
    }
}

impl Names {
    fn add(&mut self, uri: String) {
        let Self::These(names) = self else { return };
        let is_known = names.contains(&uri);
        if uri.len() > LONGEST || !is_known && names.len() >= NAMES {
            *self = Self::Any;
        } else if !is_known {
            names.insert(uri);
        }
    }
}

/// Where it waits for the one who takes it. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<BTreeMap<String, Changes>>,
    /// Of a key of which nothing waited something does.
    more: Notify,
}

impl Inbox {
    /// A server said so.
    pub(crate) fn put(&self, key: &str, change: Change) {
        let mut waiting = self.waiting();
        if let Some(known) = waiting.get_mut(key) {
            known.add(change);
            return;
        }
        waiting.entry(key.to_owned()).or_default().add(change);
        drop(waiting);
        self.0.more.notify_one();
    }

    /// Takes what waits of the keys that are wanted; waits until there is something. Dropped before that it loses nothing.
    pub(crate) async fn take(&self, mut is_wanted: impl FnMut(&str) -> bool) -> BTreeMap<String, Changes> {
        loop {
            let taken: BTreeMap<_, _> =
                self.waiting().extract_if(.., |key, _: &mut Changes| is_wanted(key)).collect();
            if !taken.is_empty() {
                return taken;
            }
            self.0.more.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, Changes>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
