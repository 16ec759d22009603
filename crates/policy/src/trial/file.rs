//! The form of a file of cases.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::value::Datetime;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) case: Vec<Entry>,
}

/// One case as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    #[serde(default)]
    pub(super) who: Who,
    #[serde(default)]
    pub(super) client: ClientEntry,
    #[serde(default)]
    pub(super) connection: ConnectionEntry,
    pub(super) tool: Option<ToolEntry>,
    pub(super) prompt: Option<String>,
    pub(super) resource: Option<String>,
    #[serde(default)]
    pub(super) manage: bool,
    #[serde(default)]
    pub(super) list: bool,
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
    pub(super) time: Option<Datetime>,
    pub(super) address: Option<IpAddr>,
    #[serde(default)]
    pub(super) authentication: u8,
    #[serde(default)]
    pub(super) assurance: u8,
    pub(super) expect: String,
    pub(super) rule: Option<String>,
    pub(super) listed: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    pub(super) id: Option<String>,
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) machine: bool,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    pub(super) permissions: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientEntry {
    pub(super) id: Option<String>,
    pub(super) registration: Option<String>,
    pub(super) host: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionEntry {
    pub(super) server: Option<String>,
    pub(super) alias: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) own: Option<bool>,
    pub(super) granted: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolEntry {
    pub(super) name: String,
    pub(super) risk: Option<String>,
    pub(super) pin: Option<String>,
    pub(super) approval: Option<u8>,
    #[serde(default)]
    pub(super) blocked: bool,
    pub(super) hints: Option<HintsEntry>,
}

/// Named as MCP names them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HintsEntry {
    #[serde(rename = "readOnlyHint")]
    pub(super) read_only: Option<bool>,
    #[serde(rename = "destructiveHint")]
    pub(super) destructive: Option<bool>,
    #[serde(rename = "idempotentHint")]
    pub(super) idempotent: Option<bool>,
    #[serde(rename = "openWorldHint")]
    pub(super) open_world: Option<bool>,
}
