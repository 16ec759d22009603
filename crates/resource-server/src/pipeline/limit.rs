//! The buckets: of the user over all calls, and of the user and one tool (TOOL-10). Always keyed by what the body says.

use portcullis_limits::Verdict;
use portcullis_oauth::Timestamp;

use super::Caller;
use crate::connections::Connection;
use crate::protocol::Operation;
use crate::refusal::Refusal;

/// The user's bucket: 429 when it is empty.
pub(super) fn user(caller: &Caller, operation: &Operation, now: Timestamp) -> Result<(), Refusal> {
    let limits = &caller.gateway.limits;
    let bucket = if matches!(operation, Operation::Errand(..) | Operation::Own(..)) {
        &limits.calls
    } else {
        &limits.lists
    };
    Refusal::unless_allowed(bucket.check(caller.bearer.principal().id.as_str(), now))
}

/// The tool's bucket: an `isError` with the seconds, so that the model can wait.
pub(super) fn tool(
    caller: &Caller,
    connection: &Connection,
    tool: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    of_tool(caller, &format!("{} {tool}", connection.id), now)
}

/// The same for a tool of our own.
pub(super) fn own_tool(caller: &Caller, tool: &str, now: Timestamp) -> Result<(), Refusal> {
    of_tool(caller, tool, now)
}

fn of_tool(caller: &Caller, tool: &str, now: Timestamp) -> Result<(), Refusal> {
    let key = format!("{} {tool}", caller.bearer.principal().id);
    match caller.gateway.limits.tools.check(&key, now) {
        Verdict::Allowed => Ok(()),
        Verdict::Refused { retry_after } => Err(Refusal::tool(
            "tool_rate_limit",
            format!("This tool was called too often. Try again in {} seconds.", retry_after.0),
        )),
    }
}
