//! How much one address, one user and everybody together get.

use serde_json::{Value, json};

use super::draft::Draft;
use super::validate::{choice, number};
use crate::Problem;

/// Where the calls of users are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedIn {
    /// In the database where several nodes can share it, which is PostgreSQL; else in memory.
    Engine,
    /// In the memory of each node: several allow several times as much.
    Memory,
    /// In the database, by all nodes together.
    Database,
}

const COUNTED_IN: [(&str, CountedIn); 3] =
    [("engine", CountedIn::Engine), ("memory", CountedIn::Memory), ("database", CountedIn::Database)];

/// So many a minute, or at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client registrations from one address, a minute.
    pub registrations_per_minute: u32,
    /// Authorization requests from one address, a minute.
    pub authorizations_per_minute: u32,
    /// Tries to sign in from one address, a minute, known browsers apart.
    pub sign_ins_per_minute: u32,
    /// Tool calls of one user, a minute.
    pub user_calls_per_minute: u32,
    /// Lists and other MCP requests of one user, a minute.
    pub user_lists_per_minute: u32,
    /// Calls of one user to one tool, a minute.
    pub user_tool_calls_per_minute: u32,
    /// Where calls are counted.
    pub counted_in: CountedIn,
    /// Connections that are open at once.
    pub max_connections: u32,
}

impl Limits {
    pub(super) fn check(draft: &Draft) -> Result<Self, Problem> {
        let limit = |name, given, default, most| {
            let value = number(name, given, default, 1..=most)?;
            u32::try_from(value).map_err(|_| Problem::configuration(format!("{name} is too large")))
        };
        let rate = |name, given, default| limit(name, given, default, 1_000_000);
        Ok(Self {
            registrations_per_minute: rate("registrations_per_minute", draft.registrations_per_minute, 120)?,
            authorizations_per_minute: rate(
                "authorizations_per_minute",
                draft.authorizations_per_minute,
                300,
            )?,
            sign_ins_per_minute: rate("sign_ins_per_minute", draft.sign_ins_per_minute, 300)?,
            user_calls_per_minute: rate("user_calls_per_minute", draft.user_calls_per_minute, 60)?,
            user_lists_per_minute: rate("user_lists_per_minute", draft.user_lists_per_minute, 120)?,
            user_tool_calls_per_minute: rate(
                "user_tool_calls_per_minute",
                draft.user_tool_calls_per_minute,
                10,
            )?,
            counted_in: choice("limits_in", draft.limits_in.clone(), COUNTED_IN)?,
            max_connections: limit("max_connections", draft.max_connections, 10_000, 1_000_000)?,
        })
    }

    /// The limit of this name, for people.
    pub(super) fn shown(&self, name: &str) -> Option<Value> {
        if name == "limits_in" {
            let word = COUNTED_IN.iter().find(|(_, place)| *place == self.counted_in).map(|(word, _)| *word);
            return Some(json!(word));
        }
        let value = match name {
            "registrations_per_minute" => self.registrations_per_minute,
            "authorizations_per_minute" => self.authorizations_per_minute,
            "sign_ins_per_minute" => self.sign_ins_per_minute,
            "user_calls_per_minute" => self.user_calls_per_minute,
            "user_lists_per_minute" => self.user_lists_per_minute,
            "user_tool_calls_per_minute" => self.user_tool_calls_per_minute,
            "max_connections" => self.max_connections,
            _ => return None,
        };
        Some(json!(value))
    }
}
