//! The review of a connection's tools: how each stands, and what somebody who looks at it has to know. Reads rows; accepting
//! is the store's.

use std::collections::HashMap;

use portcullis_oauth::Timestamp;
use portcullis_policy::Pin;
use serde_json::Value;

use super::Accepted;
use super::difference::{self, Difference};
use super::hidden::{Warning, warnings};
use crate::policy::Trust;

/// How a tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReviewState {
    /// It is another than the one that was accepted, and waits.
    Changed,
    /// Nobody and no rule accepted it yet; it waits.
    New,
    /// It is as it was accepted.
    Accepted,
    /// Its server no longer lists it.
    Gone,
}

impl ReviewState {
    /// The state for scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::New => "new",
            Self::Accepted => "accepted",
            Self::Gone => "gone",
        }
    }

    /// Whether the tool can be used only once somebody accepts it.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::Changed | Self::New)
    }
}

/// One tool, for somebody who looks at it.
#[derive(Clone, Debug)]
pub struct ToolReview {
    /// Its server's name for it.
    pub tool: String,
    /// How it stands.
    pub state: ReviewState,
    /// The tool that is gone and was the same but for its name.
    pub renamed_from: Option<String>,
    /// Who accepted what is accepted of it; nobody where a rule did.
    pub accepted_by: Option<String>,
    /// When that was.
    pub accepted_at: Option<Timestamp>,
    /// The hash of what its server lists, which is what accepting it accepts.
    pub hash: Option<String>,
    /// What is not as it was accepted; for a new one everything. Empty where a definition is too long to be kept.
    pub differences: Vec<Difference>,
    /// What hides in it.
    pub warnings: Vec<Warning>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    tool: String,
    accepted_hash: Option<String>,
    accepted: Option<String>,
    accepted_by: Option<String>,
    accepted_at: Option<Timestamp>,
    seen_hash: Option<String>,
    seen: Option<String>,
}

impl Row {
    fn state(&self, trust: Trust) -> ReviewState {
        let Some(seen) = &self.seen_hash else { return ReviewState::Gone };
        let accepted = Accepted { hash: self.accepted_hash.clone(), by: self.accepted_by.clone() };
        match accepted.stands(seen, trust).pin {
            Pin::Changed => ReviewState::Changed,
            Pin::New => ReviewState::New,
            Pin::Active | Pin::Removed => ReviewState::Accepted,
        }
    }
}

/// The review of these, those that wait first.
pub(super) fn of(rows: Vec<Row>, trust: Trust) -> Vec<ToolReview> {
    let gone = rows.iter().filter(|row| row.seen_hash.is_none());
    let former: HashMap<String, String> =
        gone.filter_map(|row| Some((nameless(&read(row.accepted.as_ref())?), row.tool.clone()))).collect();
    let mut all: Vec<ToolReview> = rows.into_iter().map(|row| one(row, trust, &former)).collect();
    all.sort_by(|one, other| (one.state, &one.tool).cmp(&(other.state, &other.tool)));
    all
}

fn one(row: Row, trust: Trust, former: &HashMap<String, String>) -> ToolReview {
    let state = row.state(trust);
    let (accepted, seen) = (read(row.accepted.as_ref()), read(row.seen.as_ref()));
    let (differences, renamed_from, warnings) = match &seen {
        Some(seen) if state.waits() => {
            let before = accepted.as_ref().filter(|_| state == ReviewState::Changed);
            let known = state == ReviewState::New || before.is_some();
            let told = if known { difference::between(before, seen) } else { Vec::new() };
            let renamed = (state == ReviewState::New).then(|| former.get(&nameless(seen)).cloned());
            (told, renamed.flatten(), warnings(seen))
        }
        Some(seen) => (Vec::new(), None, warnings(seen)),
        None => (Vec::new(), None, Vec::new()),
    };
    ToolReview {
        tool: row.tool,
        state,
        renamed_from,
        accepted_by: row.accepted_by,
        accepted_at: row.accepted_at,
        hash: row.seen_hash,
        differences,
        warnings,
    }
}

fn read(text: Option<&String>) -> Option<Value> {
    serde_json::from_str(text?).ok()
}

fn nameless(definition: &Value) -> String {
    difference::without_name(definition).to_string()
}
