//! A call of one of our own tools: the same steps as every other call, but that nothing is dispatched.

use portcullis_audit::Outcome;
use portcullis_oauth::scopes::CONNECTIONS_MANAGE;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::case::Case;
use super::{Caller, arguments, limit, target};
use crate::management::{Desk, OwnTool, Unsaid, Wish};
use crate::protocol::result;
use crate::refusal::Refusal;

/// Whether lists show our own tools to this caller: at the aggregate, to tokens that were given the scope by users who may.
pub(super) fn listed(caller: &Caller) -> Vec<(String, Value)> {
    let may = caller.resource.alias.is_none() && caller.bearer.effective_scope().contains(CONNECTIONS_MANAGE);
    let shown = |tool: OwnTool| (tool.name().to_owned(), tool.described());
    if may { OwnTool::ALL.into_iter().map(shown).collect() } else { Vec::new() }
}

/// Answers a call. Its scope was asked before; a user who may no longer manage connections has no such tool (SBP-10).
pub(super) async fn run(
    caller: &Caller,
    case: &mut Case,
    (tool, given): (OwnTool, Map<String, Value>),
) -> Result<Answer, Refusal> {
    case.names(tool.name());
    if !caller.bearer.principal().permissions.contains(CONNECTIONS_MANAGE) {
        return Err(target::unknown("permission_missing", ("tool", tool.name())));
    }
    let offer = tool.offer().ok_or_else(|| target::unknown("tool_unknown", ("tool", tool.name())))?;
    let wish = Wish::read(arguments::obey(offer, given)?)?;
    limit::own_tool(caller, tool.name(), case.now)?;
    let policy = caller.gateway.policy.current().await.map_err(|error| Refusal::unavailable(&error))?;
    let desk = Desk { gateway: &caller.gateway, bearer: &caller.bearer, policy: &policy, now: case.now };
    let said = match desk.answer(tool, wish).await {
        Ok(said) => said,
        Err(Unsaid::Refused(refused)) => return Err(refused),
        Err(Unsaid::Denied(denial)) => {
            denial.decided.into_iter().for_each(|decided| case.decided(decided));
            return Err(Refusal::tool(denial.reason, denial.text));
        }
    };
    said.connection.iter().for_each(|connection| case.connection(connection));
    said.decided.into_iter().for_each(|decided| case.decided(decided));
    // What cannot be noted is not said.
    let event = case.event(case.now, Outcome::Done).with(json!({ "is_error": false }));
    caller.gateway.trail.record(event).await.map_err(|error| Refusal::unavailable(&error))?;
    Ok(Answer::Result(result::complete(caller.era, said.result.into())))
}
