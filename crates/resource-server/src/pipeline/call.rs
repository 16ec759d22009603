//! `tools/call`: from a name in the body to a result, through the one gate.

use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::Outcome;
use serde_json::{Map, Value, json};
use tracing::Instrument;

use super::case::Case;
use super::{Caller, arguments, limit, target};
use crate::gateway::Inner;
use crate::policy::{self, Permitted};
use crate::protocol::{Era, result};
use crate::refusal::Refusal;
use crate::tool::{ToolCall, ToolResult};
use crate::upstream::Failure;

/// A tool that takes longer is given up.
const DEADLINE: Duration = Duration::from_secs(30);
/// Larger results are not passed on.
const LARGEST: usize = 1024 * 1024;

/// Answers `tools/call`.
pub(super) async fn run(
    caller: &Caller<'_>,
    case: &mut Case,
    name: &str,
    given: Map<String, Value>,
) -> Result<Value, Refusal> {
    case.tool(name);
    let (connection, tool) = target::locate(caller, case, name).await?;
    let arguments = arguments::obey(tool, given)?;
    let call = ToolCall { connection: connection.clone(), tool: tool.name.clone(), arguments };
    let permitted =
        policy::decide(&caller.bearer, call).map_err(|denial| Refusal::tool(denial.reason, denial.text))?;
    limit::tool(caller, &connection, &tool.name, case.now)?;
    dispatch(caller, case, permitted).await
}

/// Runs what was permitted in a task that the server owns: a client that goes away stops neither the work nor its note.
async fn dispatch(caller: &Caller<'_>, case: &Case, call: Permitted<ToolCall>) -> Result<Value, Refusal> {
    let (gateway, case, era) = (Arc::clone(caller.gateway), case.clone(), caller.era);
    let job = async move {
        // No call without its line in the audit: what cannot be noted does not happen.
        let started = gateway.trail.record(case.event(case.now, Outcome::Started)).await;
        started.map_err(|error| Refusal::unavailable(&error))?;
        Ok(execute(&gateway, &case, era, call).await)
    };
    caller.gateway.tasks.spawn(job.in_current_span()).await.map_err(|error| Refusal::unavailable(&error))?
}

async fn execute(gateway: &Inner, case: &Case, era: Era, call: Permitted<ToolCall>) -> Value {
    let outcome = tokio::time::timeout(DEADLINE, gateway.upstreams.execute(call)).await;
    let (answer, reason) = match outcome {
        Ok(Ok(answer)) => capped(answer),
        Ok(Err(Failure::Told(text))) => (ToolResult::error(text), Some("tool_error")),
        // ASVS-16.5.1: a generic message and a trace id; the cause goes to the log
        Ok(Err(Failure::Inside(cause))) => {
            tracing::warn!(?cause, trace_id = case.trace.as_str(), "a tool failed inside");
            let text = format!("The tool failed inside. Trace id: {}", case.trace.as_str());
            (ToolResult::error(text), Some("tool_failed"))
        }
        Err(_) => {
            let text = format!("The tool took longer than {} seconds.", DEADLINE.as_secs());
            (ToolResult::error(text), Some("tool_deadline"))
        }
    };
    // Asked again: the request waited.
    let now = gateway.clock.now();
    let finished = match reason {
        None => case.event(now, Outcome::Done),
        Some(reason) => case.event(now, Outcome::Failed).because(reason),
    };
    gateway.trail.note(finished.with(json!({"is_error": answer.is_error}))).await;
    result::tool(era, &answer)
}

fn capped(answer: ToolResult) -> (ToolResult, Option<&'static str>) {
    let content: usize = answer.content.iter().map(|block| block.to_string().len()).sum();
    let structured = answer.structured.as_ref().map_or(0, |value| value.to_string().len());
    match (content + structured > LARGEST, answer.is_error) {
        (true, _) => (ToolResult::error("The result is larger than 1 MiB."), Some("result_size")),
        (false, true) => (answer, Some("tool_error")),
        (false, false) => (answer, None),
    }
}
