//! The buckets: of the user over all calls, at one connection, and of one tool (TOOL-10). Always keyed by what the body says.
//! Where they cannot be read nothing runs.

use portcullis_limits::Verdict;
use portcullis_oauth::Timestamp;

use super::Caller;
use crate::connections::Connection;
use crate::limits::Counted;
use crate::protocol::Operation;
use crate::refusal::Refusal;
use crate::round;

/// The user's bucket: 429 when it is empty.
pub(super) async fn user(caller: &Caller, operation: &Operation, now: Timestamp) -> Result<(), Refusal> {
    let limits = &caller.gateway.limits;
    let counted = match operation {
        // One that only asks whether its approval was given was counted when it came first.
        Operation::Errand(_, extras) if extras.state.as_deref().is_some_and(round::only_waits) => {
            return Refusal::unless_allowed(limits.leg(&caller.bearer, now));
        }
        Operation::Errand(..) | Operation::Own(..) | Operation::Subscribe(_) => {
            limits.call(&caller.bearer, now).await
        }
        // As much as a call asks of an upstream, and at once.
        Operation::Listen(wanted) if wanted.watches() => limits.call(&caller.bearer, now).await,
        _ => return Refusal::unless_allowed(limits.list(&caller.bearer, now)),
    };
    told(counted.map_err(|error| Refusal::unavailable(&error))?)
}

/// The tool's bucket, and the one of its connection where that has a limit: an `isError` with the seconds, so that the model
/// can wait.
pub(super) async fn tool(
    caller: &Caller,
    connection: &Connection,
    tool: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let counted = caller.gateway.limits.tool(&caller.bearer, (connection, tool), now).await;
    told(counted.map_err(|error| Refusal::unavailable(&error))?)
}

/// The same for a tool of our own.
pub(super) async fn own_tool(caller: &Caller, tool: &str, now: Timestamp) -> Result<(), Refusal> {
    let counted = caller.gateway.limits.own_tool(&caller.bearer, tool, now).await;
    told(counted.map_err(|error| Refusal::unavailable(&error))?)
}

fn told(counted: Counted) -> Result<(), Refusal> {
    let (reason, what, verdict) = match counted {
        Counted::Allowed => return Ok(()),
        Counted::User(verdict) => return Refusal::unless_allowed(verdict),
        Counted::Connection(verdict) => ("connection_rate_limit", "This connection was used", verdict),
        Counted::Tool(verdict) => ("tool_rate_limit", "This tool was called", verdict),
    };
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Refused { retry_after } => {
            Err(Refusal::tool(reason, format!("{what} too often. Try again in {} seconds.", retry_after.0)))
        }
    }
}
