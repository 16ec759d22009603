//! The settings of approvals.

use portcullis_oauth::Secret;
use serde_json::{Value, json};

use super::draft::Draft;
use super::sinks;
use crate::Problem;

/// How calls are approved, and who hears of it.
#[derive(Clone, Debug, Default)]
pub struct ApprovalSettings {
    /// Whether people may decide at the command line, with their password.
    pub allow_command: bool,
    /// Where it is told that a call waits. Whoever knows the address of such a hook can write there.
    pub webhook: Option<Secret>,
}

impl ApprovalSettings {
    pub(super) fn check(draft: &Draft) -> Result<Self, Problem> {
        Ok(Self {
            allow_command: draft.approvals_allow_command.unwrap_or_default(),
            webhook: sinks::url("approvals_webhook", draft.approvals_webhook.clone())?,
        })
    }

    /// The setting of this name, for people.
    pub(super) fn shown(&self, name: &str) -> Option<Value> {
        match name {
            "approvals_allow_command" => Some(json!(self.allow_command)),
            "approvals_webhook" => Some(json!(self.webhook.as_ref().map(|_| super::shown::MASK))),
            _ => None,
        }
    }
}
