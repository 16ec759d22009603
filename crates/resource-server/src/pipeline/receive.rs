//! Steps 2 to 6: from a request of HTTP to a request of MCP, or to something that was said and needs no answer.

use std::sync::Arc;

use axum::extract::Request;
use portcullis_oauth::Resource;
use portcullis_upstream::RpcError;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use super::case::Case;
use super::{Caller, body, session, token};
use crate::envelope::{Call, Id, Message};
use crate::gateway::Inner;
use crate::line::Ability;
use crate::protocol::{Era, Level, Operation, headers, meta};
use crate::reach::Asking;
use crate::refusal::Refusal;
use crate::session::Session;

/// What a body was.
pub(super) enum Received {
    /// A request, to be answered.
    Request(Box<Asked>),
    /// Something that was said, and was taken note of.
    Noted,
}

/// A request that passed the steps that all have in common.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) id: Id,
    pub(super) operation: Operation,
    /// What the client can take while it waits.
    pub(super) ability: Ability,
    /// Whether it takes a stream.
    pub(super) streams: bool,
}

/// Reads a message.
pub(super) async fn message(
    gateway: &Arc<Inner>,
    resource: &Resource,
    request: Request,
    case: &mut Case,
) -> Result<Received, Refusal> {
    let (parts, content) = request.into_parts();
    let presented = token::presented(&parts)?;
    let message = body::read(&parts.headers, (content, gateway.patience.body), presented.token()).await?;
    case.id = message.id().cloned();
    case.era = headers::agree(&parts.headers, &message)?;
    let bearer = token::verify(gateway, resource, &presented, case).await?;
    let (gateway, resource) = (Arc::clone(gateway), Arc::new(resource.clone()));
    let token = presented.token().clone();
    let mut caller = Caller { gateway, resource, bearer, era: case.era, session: None, token };
    if session::needed(caller.era, &message) {
        let session = session::find(&caller, &parts.headers, case.now).await?;
        case.session(&session);
        caller.session = Some(session);
    }
    match message {
        Message::Request(id, call) => {
            let streams = body::accepts_stream(&parts.headers);
            let ability = ability(&call, caller.session.as_ref(), streams);
            let mut operation = Operation::read(caller.era, call)?.at(&caller.resource);
            if let (Operation::Errand(_, extras), Era::Stateless) = (&mut operation, caller.era) {
                extras.mirrored = headers::parameters(&parts.headers)?;
            }
            Ok(Received::Request(Box::new(Asked { caller, id, operation, ability, streams })))
        }
        Message::Notification(call) => {
            heard(&caller, &call);
            Ok(Received::Noted)
        }
        Message::Response(members) => {
            answered(&caller, members);
            Ok(Received::Noted)
        }
    }
}

/// What the client of this request can take while it waits. Of the stateless era nothing is known but what the request
/// says (HTTP26-19).
fn ability(call: &Call, session: Option<&Session>, streams: bool) -> Ability {
    let meta = call.params.get("_meta");
    let said = |key: &str| meta.and_then(|meta| meta.get(key));
    let progress = streams && said("progressToken").is_some();
    match session {
        Some(session) => Ability {
            progress,
            level: streams.then(|| session.level().unwrap_or(Level::Debug)),
            asking: if streams { session.asking() } else { Asking::NOTHING },
            session: Some(session.id().clone()),
            streams,
        },
        None => Ability {
            progress,
            level: said(meta::LOG_LEVEL).and_then(Value::as_str).and_then(Level::parse).filter(|_| streams),
            asking: said(meta::CLIENT_CAPABILITIES).map_or(Asking::NOTHING, Asking::declared),
            session: None,
            streams,
        },
    }
}

/// A session's client changed its mind about a request that is under way.
fn heard(caller: &Caller, call: &Call) {
    let Some(session) = caller.session.as_ref().filter(|_| call.method == "notifications/cancelled") else {
        return;
    };
    if let Some(id) = call.params.get("requestId") {
        caller.gateway.underway.cancel(session.id(), &id.to_string());
    }
}

/// A session's client answers a question (HTTP25-6). Only who was asked can answer: the question is known by the session
/// too (T18).
fn answered(caller: &Caller, mut members: Map<String, Value>) {
    let (Some(session), Some(Value::String(id))) = (&caller.session, members.remove("id")) else { return };
    let error = |error: &Value| RpcError {
        code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
        message: error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        data: None,
    };
    let reaction = match (members.remove("result"), members.remove("error")) {
        (Some(result), _) => to_raw_value(&result).map_err(|why| error(&Value::from(why.to_string()))),
        (None, said) => Err(error(&said.unwrap_or_default())),
    };
    caller.gateway.questions.answered(session.id(), &id, reaction);
}
