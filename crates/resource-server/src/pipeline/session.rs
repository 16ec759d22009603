//! Sessions in the era that has them: opened by `initialize`, named by everything after it (HTTP25-8 to -10).

use axum::http::{HeaderMap, StatusCode};
use portcullis_oauth::{Secret, Timestamp};

use super::Caller;
use crate::envelope::Message;
use crate::protocol::{Era, Revision, headers};
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
    let unknown = || {
        Refusal::transport(
            "session_unknown",
            StatusCode::NOT_FOUND,
            "there is no such session: begin again with initialize",
        )
    };
    let id = headers::session(headers)?.ok_or_else(missing)?;
    let found = caller.gateway.sessions.find(id, &caller.bearer, now).await;
    found.map_err(|error| Refusal::unavailable(&error))?.ok_or_else(unknown)
}

/// Opens one.
pub(super) async fn begin(caller: &Caller, revision: Revision, now: Timestamp) -> Result<Secret, Refusal> {
    let begun = caller.gateway.sessions.begin(&caller.bearer, revision.as_str(), now).await;
    begun.map_err(|error| Refusal::unavailable(&error))
}
