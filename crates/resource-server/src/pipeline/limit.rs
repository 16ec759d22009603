//! The buckets: of the user over all calls, and of the user and one tool (TOOL-10). Always keyed by what the body says.

use portcullis_limits::Verdict;
use portcullis_oauth::Timestamp;

use super::Caller;
use crate::connections::Connection;
use crate::protocol::Operation;
use crate::refusal::Refusal;
use crate::round;

/// The user's bucket: 429 when it is empty.
pub(super) fn user(caller: &Caller, operation: &Operation, now: Timestamp) -> Result<(), Refusal> {
    let limits = &caller.gateway.limits;
    let bucket = match operation {
        // One that only asks whether its approval was given was counted when it came first.
        Operation::Errand(_, extras) if extras.state.as_deref().is_some_and(round::only_waits) => {
            &limits.legs
        }
        Operation::Errand(..) => &limits.calls,
        _ => &limits.lists,
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
    let key = format!("{} {} {tool}", caller.bearer.principal().id, connection.id);
    match caller.gateway.limits.tools.check(&key, now) {
        Verdict::Allowed => Ok(()),
        Verdict::Refused { retry_after } => Err(Refusal::tool(
            "tool_rate_limit",
            format!("This tool was called too often. Try again in {} seconds.", retry_after.0),
        )),
    }
}
