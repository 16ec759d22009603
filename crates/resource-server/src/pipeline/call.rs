//! What goes to one upstream: from a name in the body, through the one gate, to a result.

use std::sync::Arc;

use portcullis_oauth::Timestamp;
use portcullis_upstream::mirror;
use serde_json::Value;

use super::answer::Answer;
use super::case::Case;
use super::target::Target;
use super::{Caller, arguments, limit, note, target};
use crate::errand::{Dispatch, Errand, Extras, Params};
use crate::line::Line;
use crate::offer::Offer;
use crate::policy::{self, Ground};
use crate::protocol::{Era, Level, code, headers, meta};
use crate::refusal::Refusal;
use crate::relay::Origin;
use crate::round::{self, Binding};
use crate::trace::TraceParent;
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
    case.asks(errand.arguments());
    let target = target::locate(caller, case, &errand).await?;
    let (errand, extras) = match (errand.named(&target.own), &target.offer) {
        (Errand::Tool { name, arguments }, Some(tool)) => {
            mirrored(caller, tool, &arguments, &extras)?;
            (Errand::Tool { name, arguments: arguments::obey(tool, arguments)? }, extras)
        }
        (other, _) => (other, extras),
    };
    let form = Form::of(&errand);
    let Target { connection, trust, offer, own } = target;
    let tool = offer.as_deref().filter(|_| form == Form::Tool);
    let origin = Origin { alias: connection.alias.clone(), own: caller.resource.alias.is_some() };
    let mut extras = levelled(caller, extras);
    case.traced(TraceParent::take_over(&mut extras.meta));
    let mut wanted = Dispatch { connection: connection.clone(), errand, extras };
    let binding = Binding::of(&caller.bearer, &wanted);
    wanted.extras = opened(caller, &binding, wanted.extras, case.now)?;
    let policy = caller.gateway.policy.current().await.map_err(|error| Refusal::unavailable(&error))?;
    let ground = Ground { policy: &policy, bearer: &caller.bearer, trust };
    let permitted = match policy::decide(ground, tool, wanted, case.now) {
        Ok((permitted, decided)) => {
            note::decided(caller, case, decided).await;
            permitted
        }
        Err(denial) => {
            if let Some(decided) = denial.decided {
                note::decided(caller, case, decided).await;
            }
            return Err(form.refuse(denial.reason, denial.text));
        }
    };
    if form == Form::Tool {
        limit::tool(caller, &connection, &own, case.now)?;
    }
    let tool = offer.filter(|_| form == Form::Tool);
    let job = Job {
        tool,
        gateway: Arc::clone(&caller.gateway),
        case: case.clone(),
        line: line.clone(),
        form,
        origin,
        binding,
    };
    job.run(caller, permitted).await
}

/// Arguments that the schema wants in headers too are the same in both (HTTP26-10); upstream go the body's.
fn mirrored(caller: &Caller, tool: &Offer, arguments: &Params, extras: &Extras) -> Result<(), Refusal> {
    if caller.era != Era::Stateless {
        return Ok(());
    }
    let wanted = mirror::values(&tool.mirrored, &Value::Object(arguments.clone()));
    let declared = tool.mirrored.iter().map(|mirrored| mirrored.name.clone());
    headers::mirrored(&wanted, declared, &extras.mirrored)
}

/// From which level on a session wants log messages, for servers that want to be told with each request.
fn levelled(caller: &Caller, mut extras: Extras) -> Extras {
    if let Some(session) = &caller.session {
        let level = session.level().unwrap_or(Level::Info);
        extras.meta.insert(meta::LOG_LEVEL.to_owned(), Value::from(level.as_str()));
    }
    extras
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
