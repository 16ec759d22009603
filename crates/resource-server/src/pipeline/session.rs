//! Sessions in the era that has them: opened by `initialize`, named by everything after it (HTTP25-8 to -10).

use axum::http::{HeaderMap, StatusCode};
use portcullis_oauth::{Secret, Timestamp};

use super::Caller;
use crate::envelope::Message;
use crate::protocol::{Era, Level, Revision, headers};
use crate::reach::Asking;
use crate::refusal::Refusal;
use crate::session::Session;

/// Whether this message must name a session.
pub(super) fn needed(era: Era, message: &Message) -> bool {
    let opens = matches!(message, Message::Request(_, call) if call.method == "initialize");
    era == Era::Session && !opens
}

/// The session that the request names. Somebody else's is an unknown one (T17).
pub(super) async fn find(caller: &Caller, headers: &HeaderMap, now: Timestamp) -> Result<Session, Refusal> {
    let missing = || {
        Refusal::transport(
            "session_missing",
            StatusCode::BAD_REQUEST,
            "Mcp-Session-Id is missing: begin with initialize",
        )
    };
    let id = headers::session(headers)?.ok_or_else(missing)?;
    let found = caller.gateway.sessions.find(id, &caller.bearer, now).await;
    found.map_err(|error| Refusal::unavailable(&error))?.ok_or_else(unknown)
}

/// Opens one, with a client who can be asked so.
pub(super) async fn begin(
    caller: &Caller,
    revision: Revision,
    asking: Asking,
    now: Timestamp,
) -> Result<Secret, Refusal> {
    let client = (revision.as_str(), &asking.capabilities());
    let begun = caller.gateway.sessions.begin(&caller.bearer, client, now).await;
    begun.map_err(|error| Refusal::unavailable(&error))
}

/// Notes from which level on its client wants log messages.
pub(super) async fn set_level(caller: &Caller, level: Level, now: Timestamp) -> Result<(), Refusal> {
    let Some(session) = &caller.session else { return Ok(()) };
    let set = caller.gateway.sessions.set_level(session, level, now).await;
    set.map_err(|error| Refusal::unavailable(&error))
}

/// Refuses unless it is still there.
pub(super) async fn still(caller: &Caller, session: &Session, now: Timestamp) -> Result<(), Refusal> {
    match caller.gateway.sessions.is_alive(session, &caller.bearer, now).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(unknown()),
        Err(error) => Err(Refusal::unavailable(&error)),
    }
}

/// Somebody else's is an unknown one.
pub(super) fn unknown() -> Refusal {
    Refusal::transport(
        "session_unknown",
        StatusCode::NOT_FOUND,
        "there is no such session: begin again with initialize",
    )
}
