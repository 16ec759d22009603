//! What goes to one upstream: from a name in the body, through the one gate, to a result.

use std::sync::Arc;

use portcullis_upstream::mirror;
use serde_json::Value;

use super::answer::Answer;
use super::approval::{Obtained, Permission, Step};
use super::case::Case;
use super::target::Target;
use super::{Caller, arguments, limit, note, target, token};
use crate::connections::Connection;
use crate::errand::{Errand, Extras, Params};
use crate::line::Line;
use crate::offer::Offer;
use crate::policy::{self, Need, Ruling};
use crate::protocol::{Era, Level, code, headers, meta};
use crate::refusal::Refusal;
use crate::relay::{Origin, Unfit};
use crate::round::{Binding, NotForThis, Opened, Stage, Ticket};
use crate::trace::TraceParent;
use crate::upstream::Failure;
use dispatch::Job;
pub(super) use dispatch::failed;

mod dispatch;

/// Answers an errand. One that was held until somebody decided is judged from the beginning before it goes on (T45).
pub(super) async fn run(
    caller: &Caller,
    case: &mut Case,
    (errand, extras): (Errand, Extras),
    line: &Line,
) -> Result<Answer, Refusal> {
    case.names(errand.name());
    case.asks(errand.arguments());
    let (mut caller, mut was_held) = (caller.clone(), false);
    loop {
        let Judged { ruling, call } = judge(&caller, case, (errand.clone(), extras.clone())).await?;
        let permission = match ruling {
            Ruling::Permitted(permitted, decided) => {
                note::decided(&caller, case, decided).await;
                if call.form == Form::Tool {
                    limit::tool(&caller, &call.connection, &call.own, case.now).await?;
                }
                Permission::Given(Box::new(permitted))
            }
            Ruling::Needs(need, held) => {
                note::decided(&caller, case, need.decided.clone()).await;
                let step = Step { caller: &caller, case: &*case, line, call: &call, need: &need };
                // Boxed: most calls need none of it.
                match Box::pin(step.obtain(held, was_held)).await? {
                    Obtained::Permission(permission) => permission,
                    Obtained::Answer(answer) => return Ok(answer),
                    Obtained::JudgeAgain => {
                        case.now = caller.gateway.clock.now();
                        caller = token::again(&caller, case.now).await?;
                        was_held = true;
                        continue;
                    }
                }
            }
        };
        return job(&caller, case, line, call).run(&caller, permission).await;
    }
}

/// An errand that was found, checked and decided about.
struct Judged {
    ruling: Ruling,
    call: Call,
}

/// What is known of a call beside what it asks for.
pub(super) struct Call {
    pub(super) connection: Arc<Connection>,
    /// The upstream's own name for what is meant.
    pub(super) own: String,
    /// What a list says of the tool, where it is one.
    pub(super) tool: Option<Arc<Offer>>,
    pub(super) binding: Binding,
    /// The approval that the client says it waits for, or used, and what it answered when it was asked.
    pub(super) ticket: Option<Ticket>,
    pub(super) responses: Option<Params>,
    /// How often its client was asked for something of its own in earlier rounds.
    drawn: u32,
    pub(super) form: Form,
    origin: Origin,
}

/// Steps 9 to 12: connection, status, name, arguments and policy.
async fn judge(
    caller: &Caller,
    case: &mut Case,
    (errand, extras): (Errand, Extras),
) -> Result<Judged, Refusal> {
    let target = target::locate(caller, case, &errand).await?;
    let (errand, extras) = match (errand.named(&target.own), &target.offer) {
        (Errand::Tool { name, arguments }, Some(tool)) => {
            mirrored(caller, tool, &arguments, &extras)?;
            let ruled = (tool.as_ref(), target.ground.connection().rules.arguments);
            let arguments = arguments::obey(case, ruled, arguments)?;
            // From here on what goes out is what is told: what was left out may be anything.
            case.asks(Some(&arguments));
            (Errand::Tool { name, arguments }, extras)
        }
        (other, _) => (other, extras),
    };
    let form = Form::of(&errand);
    let Target { ground, seen, offer, own } = target;
    let connection = Arc::clone(ground.connection());
    let tool = offer.filter(|_| form == Form::Tool);
    let origin = Origin { alias: connection.alias.clone(), own: caller.resource.alias.is_some() };
    let mut extras = levelled(caller, extras);
    case.traced(TraceParent::take_over(&mut extras.meta));
    let binding = Binding::of(&caller.bearer, (&connection, &errand));
    let brought = open((caller, &*case), (&binding, form, &connection), &mut extras).await?;
    let Brought { ticket, responses, drawn } = brought;
    let ruling = match policy::decide(&ground, seen, (errand, extras), case.now) {
        Ok(ruling) => ruling,
        Err(denial) => {
            if let Some(decided) = denial.decided {
                note::decided(caller, case, decided).await;
            }
            return Err(form.refuse(denial.reason, denial.text));
        }
    };
    let call = Call { connection, own, tool, binding, ticket, responses, drawn, form, origin };
    Ok(Judged { ruling, call })
}

fn job(caller: &Caller, case: &Case, line: &Line, call: Call) -> Job {
    let Call { tool, binding, drawn, form, origin, .. } = call;
    line.tally().goes_on_from(drawn);
    let (gateway, case, line) = (Arc::clone(&caller.gateway), case.clone(), line.clone());
    Job { gateway, case, line, tool, form, origin, binding }
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

/// What a client brought with a call that goes on.
#[derive(Default)]
struct Brought {
    ticket: Option<Ticket>,
    responses: Option<Params>,
    drawn: u32,
}

/// The upstream's own state in place of ours, which is good for this very request of this caller alone (T18, T19), and the
/// approval that goes with it. What answers our own question is not the upstream's to see.
async fn open(
    (caller, case): (&Caller, &Case),
    (binding, form, connection): (&Binding, Form, &Connection),
    extras: &mut Extras,
) -> Result<Brought, Refusal> {
    let Some(brought) = extras.state.take() else { return Ok(Brought::default()) };
    let opened = caller.gateway.rounds.open(binding, &brought, case.now).map_err(|why| match why {
        NotForThis::Foreign => {
            let text = "requestState is not valid for this request";
            Refusal::error("request_state", code::INVALID_PARAMS, text)
        }
        NotForThis::Late => {
            let text = "The answer came too late: nothing was executed. Call again to begin anew.";
            form.refuse("request_state_late", text)
        }
    })?;
    if let Some(given) = extras.responses.as_ref().filter(|_| !opened.asked.is_empty()) {
        if let Some(kind) = opened.unanswered(given) {
            let text = format!("inputResponses holds no answer to {} that can be passed on", kind.method());
            return Err(Refusal::error("input_response", code::INVALID_PARAMS, text));
        }
        // What an admin has taken back since is not told (T20).
        let relays = caller.gateway.upstreams.relays(connection).await;
        let relays = relays.map_err(|error| Refusal::unavailable(&error))?;
        if let Some(kind) = opened.asked_beyond(relays, given) {
            let failure = Failure::asks_back(&connection.alias, kind, &Unfit::Undeclared);
            return Err(failed((form, case), failure));
        }
    }
    let Opened { state, ticket, drawn, .. } = opened;
    extras.state = state;
    let waits = ticket.as_ref().is_some_and(|ticket| ticket.stage == Stage::Waiting);
    let responses = if waits { extras.responses.take() } else { None };
    Ok(Brought { ticket, responses, drawn })
}

/// How failures of an operation are told: a model reads what tools say, a program reads errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A tool.
    Tool,
    /// Anything else.
    Other,
}

impl Form {
    fn of(errand: &Errand) -> Self {
        if matches!(errand, Errand::Tool { .. }) { Self::Tool } else { Self::Other }
    }

    pub(super) fn refuse(self, reason: &'static str, text: impl Into<String>) -> Refusal {
        match self {
            Self::Tool => Refusal::tool(reason, text),
            Self::Other => Refusal::error(reason, code::INVALID_PARAMS, text),
        }
    }

    /// Only calls of tools wait for somebody's word.
    pub(super) fn not_approvable(self, need: &Need) -> Refusal {
        let text = format!("{} Only calls of tools can be approved: nothing was done.", need.reason);
        self.refuse("approval_unavailable", text)
    }

    fn fail(self, reason: &'static str, text: impl Into<String>) -> Refusal {
        match self {
            Self::Tool => Refusal::tool(reason, text),
            Self::Other => Refusal::error(reason, code::INTERNAL_ERROR, text),
        }
    }
}
