//! Steps 7 and 8, and which operation does the rest.

use axum::Json;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use portcullis_audit::{Action, Outcome};
use portcullis_oauth::Secret;

use super::answer::Answer;
use super::case::Case;
use super::receive::Asked;
use super::{Caller, call, exchange, limit, list, listen, manage, scope, session, subscribe};
use crate::envelope::{self, Id};
use crate::errand::Errand;
use crate::line::Line;
use crate::offer::Kind;
use crate::protocol::{Operation, headers, result};
use crate::refusal::Refusal;

/// Answers a request.
pub(super) async fn answer(asked: Asked, mut case: Case) -> Response {
    let Asked { caller, id, operation, ability, streams } = asked;
    case.action = action(&operation);
    if let Operation::Listen(wanted) = &operation {
        let opened = match admitted(&caller, &operation, &case).await {
            Ok(()) => listen::open(caller.clone(), wanted.clone(), (&case, Some(id))).await,
            Err(refused) => Err(refused),
        };
        return match opened {
            Ok(stream) => {
                let event = case.end(&caller.gateway, Outcome::Done, "stream");
                caller.gateway.trail.note(event).await;
                stream
            }
            Err(refused) => case.refuse(&caller.gateway, &caller.resource, &refused).await,
        };
    }
    let (line, said) = Line::open(ability, caller.gateway.questions.clone());
    // The session's id stands in a header, which a stream that has begun has behind it.
    let streams = streams && !matches!(operation, Operation::Initialize(..));
    let work = async move {
        match operate(&caller, operation, &mut case, &line).await {
            Ok((answer, session)) => respond(&caller, &id, &answer, session),
            Err(refused) => case.refuse(&caller.gateway, &caller.resource, &refused).await,
        }
    };
    if streams { exchange::answer(work, said).await } else { work.await }
}

async fn admitted(caller: &Caller, operation: &Operation, case: &Case) -> Result<(), Refusal> {
    limit::user(caller, operation, case.now).await?;
    scope::suffices(caller, operation)
}

/// `initialize` alone gives a session's id beside its result.
async fn operate(
    caller: &Caller,
    operation: Operation,
    case: &mut Case,
    line: &Line,
) -> Result<(Answer, Option<Secret>), Refusal> {
    admitted(caller, &operation, case).await?;
    let answer = match operation {
        Operation::Initialize(revision, asking) => {
            let subscribe = subscribe::is_offered(caller).await?;
            let id = session::begin(caller, revision, asking, case.now).await?;
            return Ok((Answer::Result(result::initialize(revision, subscribe)), Some(id)));
        }
        Operation::Ping | Operation::Listen(_) => Answer::empty(),
        Operation::SetLevel(level) => {
            session::set_level(caller, level, case.now).await?;
            Answer::empty()
        }
        Operation::Discover => Answer::Result(result::discover(subscribe::is_offered(caller).await?)),
        Operation::List(kind, cursor) => Box::pin(list::of(caller, case, kind, cursor.as_deref())).await?,
        Operation::Errand(errand, extras) => call::run(caller, case, (errand, *extras), line).await?,
        Operation::Subscribe(uri) => Box::pin(subscribe::begin(caller, case, uri)).await?,
        Operation::Unsubscribe(uri) => Box::pin(subscribe::end(caller, case, uri)).await?,
        Operation::Own(tool, arguments) => Box::pin(manage::run(caller, case, (tool, arguments))).await?,
    };
    Ok((answer, None))
}

/// What the paper trail calls an operation.
fn action(operation: &Operation) -> Action {
    match operation {
        Operation::Initialize(..)
        | Operation::Ping
        | Operation::Discover
        | Operation::SetLevel(_)
        | Operation::Listen(_) => Action::McpRequest,
        Operation::List(Kind::Tools, _) => Action::ToolsList,
        Operation::List(Kind::Prompts, _) => Action::PromptsList,
        Operation::List(Kind::Resources | Kind::Templates, _) => Action::ResourcesList,
        Operation::Errand(Errand::Tool { .. }, _) | Operation::Own(..) => Action::ToolCall,
        Operation::Errand(Errand::Prompt { .. }, _) => Action::PromptGet,
        Operation::Errand(Errand::Resource { .. }, _) => Action::ResourceRead,
        Operation::Subscribe(_) => Action::ResourceSubscribe,
        Operation::Unsubscribe(_) => Action::ResourceUnsubscribe,
        Operation::Errand(..) => Action::Completion,
    }
}

/// The answer to the request `id`.
fn respond(caller: &Caller, id: &Id, answer: &Answer, session: Option<Secret>) -> Response {
    let mut response = match answer {
        Answer::Result(reply) => Json(envelope::result(id, reply)).into_response(),
        Answer::Failed(failure) => {
            failure.respond((&caller.resource, caller.gateway.possession.used()), caller.era, Some(id))
        }
    };
    if let Some(value) = session.and_then(|id| HeaderValue::from_str(id.expose()).ok()) {
        response.headers_mut().insert(headers::SESSION, value);
    }
    response
}
