//! The pipeline: one list of named steps that every message passes, in this order. Each refusal is one audit event with
//! a reason code, and an answer in the words of its protocol.
//!
//! 1. `Host` and `Origin` are ours ([`origin`])
//! 2. a token is presented at all ([`token`]): strangers' bodies are not read
//! 3. the body is small, strict JSON and one message ([`body`])
//! 4. headers and body say the same, in a revision that is spoken here ([`headers::agree`])
//! 5. the token is live and for exactly this resource ([`token`])
//! 6. the session is the bearer's, where there are sessions ([`session`])
//! 7. the user's bucket has room ([`limit`])
//! 8. the token's scopes suffice, else step-up ([`scope`])
//! 9. for a call: connection, its status, the tool's name ([`target`]), arguments ([`arguments`]), the policy, the
//!    tool's bucket, dispatch, and the cap on what comes back ([`call`])

mod answer;
mod arguments;
mod body;
mod call;
mod case;
mod limit;
mod list;
mod scope;
mod session;
mod target;
mod token;

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use portcullis_audit::Action;
use portcullis_oauth::{Resource, Secret, VerifiedBearer};

use crate::envelope::{self, Id, Message};
use crate::errand::Errand;
use crate::gateway::Inner;
use crate::offer::Kind;
use crate::possession::renewing;
use crate::protocol::{Era, Operation, headers, result};
use crate::refusal::Refusal;
use answer::Answer;
use case::Case;

/// What every step after the token needs. Cheap enough to clone for work that goes on by itself.
#[derive(Clone)]
pub(crate) struct Caller {
    gateway: Arc<Inner>,
    resource: Arc<Resource>,
    bearer: VerifiedBearer,
    era: Era,
}

/// Step 1 for every method.
pub(crate) async fn origin(gateway: &Arc<Inner>, headers: &HeaderMap, uri: &Uri) -> Result<(), Response> {
    let refused = if !gateway.guard.host_is_ours(headers, uri) {
        Refusal::transport("host", StatusCode::FORBIDDEN, "this server is not known under that host name")
    } else if !gateway.guard.origin_may_come(headers) {
        Refusal::transport("origin", StatusCode::FORBIDDEN, "this origin may not call")
    } else {
        return Ok(());
    };
    let case = Case::open(gateway, headers);
    Err(case.refuse(gateway, gateway.registry.aggregate(), &refused).await)
}

/// Answers a message.
pub(crate) async fn post(gateway: &Arc<Inner>, resource: &Resource, request: Request) -> Response {
    let mut case = Case::open(gateway, request.headers());
    let answer = match pass(gateway, resource, request, &mut case).await {
        Ok(response) => response,
        Err(refused) => case.refuse(gateway, resource, &refused).await,
    };
    renewing(answer, case.next_nonce)
}

async fn pass(
    gateway: &Arc<Inner>,
    resource: &Resource,
    request: Request,
    case: &mut Case,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let presented = token::presented(&parts)?;
    let message = body::read(&parts.headers, body).await?;
    case.id = message.id().cloned();
    case.era = headers::agree(&parts.headers, &message)?;
    let bearer = token::verify(gateway, resource, &presented, case).await?;
    let (gateway, resource) = (Arc::clone(gateway), Arc::new(resource.clone()));
    let caller = Caller { gateway, resource, bearer, era: case.era };
    if session::needed(caller.era, &message) {
        session::find(&caller, &parts.headers, case.now).await?;
    }
    match message {
        Message::Request(id, request) => {
            let operation = Operation::read(caller.era, request)?;
            let (answer, session) = operate(&caller, operation, case).await?;
            let mut response = respond(&caller, &id, &answer);
            if let Some(value) = session.and_then(|id| HeaderValue::from_str(id.expose()).ok()) {
                response.headers_mut().insert(headers::SESSION, value);
            }
            Ok(response)
        }
        // HTTP25-6
        Message::Notification(_) | Message::Response => Ok(StatusCode::ACCEPTED.into_response()),
    }
}

/// Steps 7 to 9. `initialize` alone gives a session's id beside its result.
async fn operate(
    caller: &Caller,
    operation: Operation,
    case: &mut Case,
) -> Result<(Answer, Option<Secret>), Refusal> {
    case.action = action(&operation);
    limit::user(caller, &operation, case.now)?;
    scope::suffices(caller, &operation)?;
    let answer = match operation {
        Operation::Initialize(revision) => {
            let id = session::begin(caller, revision, case.now).await?;
            return Ok((Answer::Result(result::initialize(revision)), Some(id)));
        }
        Operation::Ping => Answer::empty(),
        Operation::Discover => Answer::Result(result::discover()),
        Operation::List(kind, cursor) => list::of(caller, case, kind, cursor.as_deref()).await?,
        Operation::Errand(errand) => call::run(caller, case, errand).await?,
    };
    Ok((answer, None))
}

/// What the paper trail calls an operation.
fn action(operation: &Operation) -> Action {
    match operation {
        Operation::Initialize(_) | Operation::Ping | Operation::Discover => Action::McpRequest,
        Operation::List(Kind::Tools, _) => Action::ToolsList,
        Operation::List(Kind::Prompts, _) => Action::PromptsList,
        Operation::List(Kind::Resources | Kind::Templates, _) => Action::ResourcesList,
        Operation::Errand(Errand::Tool { .. }) => Action::ToolCall,
        Operation::Errand(Errand::Prompt { .. }) => Action::PromptGet,
        Operation::Errand(Errand::Resource { .. }) => Action::ResourceRead,
        Operation::Errand(_) => Action::Completion,
    }
}

/// The answer to the request `id`.
fn respond(caller: &Caller, id: &Id, answer: &Answer) -> Response {
    match answer {
        Answer::Result(reply) => Json(envelope::result(id, reply)).into_response(),
        Answer::Failed(failure) => {
            failure.respond((&caller.resource, caller.gateway.possession.used()), caller.era, Some(id))
        }
    }
}

/// `GET`: there is no stream to open, but only a bearer learns so (HTTP25-7, DC-21).
pub(crate) async fn get(gateway: &Arc<Inner>, resource: &Resource, parts: Parts) -> Response {
    bodyless(gateway, resource, &parts, false).await
}

/// `DELETE`: ends the session that the request names (HTTP25-9); without one there is nothing to end.
pub(crate) async fn delete(gateway: &Arc<Inner>, resource: &Resource, parts: Parts) -> Response {
    bodyless(gateway, resource, &parts, true).await
}

async fn bodyless(gateway: &Arc<Inner>, resource: &Resource, parts: &Parts, ends: bool) -> Response {
    let mut case = Case::open(gateway, &parts.headers);
    let answer = match without_body(gateway, resource, parts, (ends, &mut case)).await {
        Ok(response) => response,
        Err(refused) => case.refuse(gateway, resource, &refused).await,
    };
    renewing(answer, case.next_nonce)
}

async fn without_body(
    gateway: &Arc<Inner>,
    resource: &Resource,
    parts: &Parts,
    (ends, case): (bool, &mut Case),
) -> Result<Response, Refusal> {
    let headers = &parts.headers;
    let presented = token::presented(parts)?;
    let bearer = token::verify(gateway, resource, &presented, case).await?;
    let (gateway, resource) = (Arc::clone(gateway), Arc::new(resource.clone()));
    let caller = Caller { gateway, resource, bearer, era: Era::Session };
    let named = headers::session(headers)?.is_some() && !headers::bodyless_is_stateless(headers);
    if named {
        let session = session::find(&caller, headers, case.now).await?;
        if ends {
            let ended = caller.gateway.sessions.end(&session, case.now).await;
            ended.map_err(|error| Refusal::unavailable(&error))?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    let allowed = [(header::ALLOW, HeaderValue::from_static("POST, DELETE"))];
    Ok((StatusCode::METHOD_NOT_ALLOWED, allowed).into_response())
}
