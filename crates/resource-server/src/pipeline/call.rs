//! What goes to one upstream: from a name in the body, through the one gate, to a result.

use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::{Action, Outcome};
use serde_json::json;
use tracing::Instrument;

use super::answer::Answer;
use super::case::Case;
use super::target::Target;
use super::{Caller, arguments, limit, target};
use crate::errand::{Dispatch, Errand};
use crate::gateway::Inner;
use crate::policy::{self, Permitted};
use crate::protocol::{code, result};
use crate::refusal::Refusal;
use crate::relay::{self, Origin};
use crate::upstream::Failure;

/// What takes longer is given up.
const DEADLINE: Duration = Duration::from_secs(30);

/// Answers an errand.
pub(super) async fn run(caller: &Caller, case: &mut Case, errand: Errand) -> Result<Answer, Refusal> {
    case.names(errand.name());
    let target = target::locate(caller, case, &errand).await?;
    let errand = match (errand.named(&target.own), &target.offer) {
        (Errand::Tool { name, arguments }, Some(tool)) => {
            Errand::Tool { name, arguments: arguments::obey(tool, arguments)? }
        }
        (other, _) => other,
    };
    let form = Form::of(&errand);
    let Target { connection, trust, offer, own } = target;
    let tool = offer.as_deref().filter(|_| form == Form::Tool);
    let origin = Origin { alias: connection.alias.clone(), own: caller.resource.alias.is_some() };
    let wanted = Dispatch { connection: connection.clone(), errand };
    let permitted = policy::decide(&caller.bearer, trust, tool, wanted)
        .map_err(|denial| form.refuse(denial.reason, denial.text))?;
    if form == Form::Tool {
        limit::tool(caller, &connection, &own, case.now)?;
    }
    dispatch(caller, case, permitted, (form, origin)).await
}

/// How failures of an operation are told: a model reads what tools say, a program reads errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Tool,
    Other,
}

impl Form {
    fn of(errand: &Errand) -> Self {
        if matches!(errand, Errand::Tool { .. }) { Self::Tool } else { Self::Other }
    }

    fn refuse(self, reason: &'static str, text: impl Into<String>) -> Refusal {
        match self {
            Self::Tool => Refusal::tool(reason, text),
            Self::Other => Refusal::error(reason, code::INVALID_PARAMS, text),
        }
    }

    fn fail(self, reason: &'static str, text: impl Into<String>) -> Refusal {
        match self {
            Self::Tool => Refusal::tool(reason, text),
            Self::Other => Refusal::error(reason, code::INTERNAL_ERROR, text),
        }
    }
}

/// Runs what was permitted in a task that the server owns: a client that goes away stops neither the work nor its note.
async fn dispatch(
    caller: &Caller,
    case: &Case,
    permitted: Permitted<Dispatch>,
    (form, origin): (Form, Origin),
) -> Result<Answer, Refusal> {
    let (gateway, case) = (Arc::clone(&caller.gateway), case.clone());
    let job = async move {
        // No call without its line in the audit: what cannot be noted does not happen.
        if case.action == Action::ToolCall {
            let started = gateway.trail.record(case.event(case.now, Outcome::Started)).await;
            started.map_err(|error| Refusal::unavailable(&error))?;
        }
        Ok(execute(&gateway, &case, permitted, (form, origin)).await)
    };
    caller.gateway.tasks.spawn(job.in_current_span()).await.map_err(|error| Refusal::unavailable(&error))?
}

async fn execute(
    gateway: &Inner,
    case: &Case,
    permitted: Permitted<Dispatch>,
    (form, origin): (Form, Origin),
) -> Answer {
    let outcome = tokio::time::timeout(DEADLINE, gateway.upstreams.execute(permitted)).await;
    let answer = match outcome {
        Ok(Ok(answer)) => relay::result(answer.reply, &origin, &answer.secrets)
            .map(|reply| result::complete(case.era, reply))
            .map_err(|relay::TooLarge| form.fail("result_size", "The result is larger than 1 MiB.")),
        Ok(Err(Failure::Told(text))) => Err(form.fail("tool_error", text)),
        // ASVS-16.5.1: a generic message and a trace id; the cause goes to the log
        Ok(Err(Failure::Inside(cause))) => {
            tracing::warn!(?cause, trace_id = case.trace.as_str(), "a tool failed inside");
            Err(form
                .fail("tool_failed", format!("The tool failed inside. Trace id: {}", case.trace.as_str())))
        }
        Err(_) => {
            Err(form
                .fail("tool_deadline", format!("The tool took longer than {} seconds.", DEADLINE.as_secs())))
        }
    };
    // Asked again: the request waited.
    let now = gateway.clock.now();
    let (event, answer) = match answer {
        Ok(answer) if answer.is_error() => {
            (case.event(now, Outcome::Failed).because("tool_error"), Answer::Result(answer))
        }
        Ok(answer) => (case.event(now, Outcome::Done), Answer::Result(answer)),
        Err(failure) => (case.event(now, Outcome::Failed).because(failure.reason()), Answer::Failed(failure)),
    };
    gateway.trail.note(event.with(json!({"is_error": answer.is_error()}))).await;
    answer
}
