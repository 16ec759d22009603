//! What goes to one upstream: from a name in the body, through the one gate, to a result.

use std::sync::Arc;

use portcullis_oauth::Timestamp;

use super::answer::Answer;
use super::case::Case;
use super::target::Target;
use super::{Caller, arguments, limit, target};
use crate::errand::{Dispatch, Errand, Extras};
use crate::line::Line;
use crate::policy::{self, Ground};
use crate::protocol::code;
use crate::refusal::Refusal;
use crate::relay::Origin;
use crate::round::{self, Binding};
use dispatch::Job;

mod dispatch;

/// Answers an errand.
pub(super) async fn run(
    caller: &Caller,
    case: &mut Case,
    (errand, extras): (Errand, Extras),
    line: &Line,
) -> Result<Answer, Refusal> {
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
    let mut wanted = Dispatch { connection: connection.clone(), errand, extras };
    let binding = Binding::of(&caller.bearer, &wanted);
    wanted.extras = opened(caller, &binding, wanted.extras, case.now)?;
    let policy = caller.gateway.policy.current().await.map_err(|error| Refusal::unavailable(&error))?;
    let ground = Ground { policy: &policy, bearer: &caller.bearer, trust };
    let (permitted, decided) = policy::decide(ground, tool, wanted, case.now).map_err(|denial| {
        denial.decided.into_iter().for_each(|decided| case.decided(decided));
        form.refuse(denial.reason, denial.text)
    })?;
    case.decided(decided);
    if form == Form::Tool {
        limit::tool(caller, &connection, &own, case.now)?;
    }
    let job = Job {
        gateway: Arc::clone(&caller.gateway),
        case: case.clone(),
        line: line.clone(),
        form,
        origin,
        binding,
    };
    job.run(caller, permitted).await
}

/// The upstream's own state in place of ours, which is good for this very request of this caller alone (T18, T19).
fn opened(caller: &Caller, binding: &Binding, extras: Extras, now: Timestamp) -> Result<Extras, Refusal> {
    let Some(brought) = &extras.state else { return Ok(extras) };
    let state = caller.gateway.rounds.open(binding, brought, now).map_err(|round::NotForThis| {
        let text = "requestState is not valid for this request";
        Refusal::error("request_state", code::INVALID_PARAMS, text)
    })?;
    Ok(Extras { state, ..extras })
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
