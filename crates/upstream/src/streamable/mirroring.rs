//! What the tools of one server want mirrored into headers: learnt from its lists as they pass, in which a tool that wants it
//! in a way that is not allowed has no place (HTTP26-13).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::mirror::{self, MARK, Mirrored};
use crate::{Failure, Request, meta};

/// So many tools are remembered that want something.
const REMEMBERED: usize = 1_000;

/// What is known of one server's tools.
#[derive(Default)]
pub(super) struct Mirrors(Mutex<HashMap<String, Vec<Mirrored>>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tool {
    name: String,
    #[serde(default)]
    input_schema: Value,
}

#[derive(Deserialize)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    next_cursor: Option<String>,
}

impl Mirrors {
    /// Learns from the result of `tools/list`, and gives it back without the tools that must not be offered.
    pub(super) fn learn(&self, request: &Request, result: Box<RawValue>) -> Result<Box<RawValue>, Failure> {
        let is_first = !request.params.as_deref().is_some_and(|params| params.get().contains("cursor"));
        if is_first {
            self.known().clear();
        }
        if !result.get().contains(MARK) {
            return Ok(result);
        }
        let mut members = meta::members(&result)?;
        let Some(tools) = members.get("tools") else { return Ok(result) };
        let Ok(mut tools) = serde_json::from_str::<Vec<Box<RawValue>>>(tools.get()) else {
            return Ok(result);
        };
        tools.retain(|tool| self.keeps(tool));
        members.insert("tools".to_owned(), meta::raw(&tools)?);
        meta::raw(&members)
    }

    /// Whether a tool may be offered. One that is no tool is for others to judge.
    fn keeps(&self, tool: &RawValue) -> bool {
        let Ok(tool) = serde_json::from_str::<Tool>(tool.get()) else { return true };
        match mirror::declared(&tool.input_schema) {
            Ok(declared) => {
                let mut known = self.known();
                if !declared.is_empty() && known.len() < REMEMBERED {
                    known.insert(tool.name, declared);
                }
                true
            }
            Err(why) => {
                tracing::warn!(tool = ?tool.name, %why, "a tool is not offered");
                false
            }
        }
    }

    /// What one call has to mirror.
    pub(super) fn values(&self, params: Option<&RawValue>) -> Vec<(String, String)> {
        let known = self.known();
        if known.is_empty() {
            return Vec::new();
        }
        let call: Option<Call> = params.and_then(|params| serde_json::from_str(params.get()).ok());
        let declared = call.as_ref().and_then(|call| known.get(&call.name).map(|found| (found, call)));
        declared.map_or_else(Vec::new, |(found, call)| mirror::values(found, &call.arguments))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Vec<Mirrored>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parameters that ask for what follows this page, if anything does.
pub(super) fn next_page(result: &RawValue) -> Result<Option<Box<RawValue>>, Failure> {
    match serde_json::from_str::<Page>(result.get()) {
        Ok(Page { next_cursor: Some(cursor) }) => meta::raw(&BTreeMap::from([("cursor", cursor)])).map(Some),
        _ => Ok(None),
    }
}
