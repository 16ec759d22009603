//! A call of one of our own tools: the same steps as every other call, but that nothing is dispatched.

use portcullis_audit::Outcome;
use portcullis_oauth::scopes::CONNECTIONS_MANAGE;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::case::Case;
use super::{Caller, arguments, limit, note, target};
use crate::connections::ArgumentRule;
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
    let wish = Wish::read(arguments::obey(case, (offer, ArgumentRule::Reject), given)?)?;
    limit::own_tool(caller, tool.name(), case.now).await?;
    let policy = caller.gateway.policy.current().await.map_err(|error| Refusal::unavailable(&error))?;
    let desk = Desk { gateway: &caller.gateway, bearer: &caller.bearer, policy: &policy, now: case.now };
    let said = match desk.answer(tool, wish).await {
        Ok(said) => said,
        Err(Unsaid::Refused(refused)) => return Err(refused),
        Err(Unsaid::Denied(denial)) => {
            if let Some(decided) = denial.decided {
                note::decided(caller, case, decided).await;
            }
            return Err(Refusal::tool(denial.reason, denial.text));
        }
    };
    if let Some(connection) = &said.connection {
        note::connection(caller, case, connection).await;
    }
    if let Some(decided) = said.decided {
        note::decided(caller, case, decided).await;
    }
    // What cannot be noted is not said.
    let event = case.end(&caller.gateway, Outcome::Done, "structured").with(json!({ "is_error": false }));
    caller.gateway.trail.record(event).await.map_err(|error| Refusal::unavailable(&error))?;
    Ok(Answer::Result(result::complete(caller.era, said.result.into())))
}
