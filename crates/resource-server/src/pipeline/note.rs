//! What the paper trail is told of a call on its way: which connection it means and what must not be written down of it, and
//! what the policy decided on what grounds.

use super::Caller;
use super::case::Case;
use crate::connections::Connection;
use crate::policy::Decided;

/// Notes where it goes.
pub(super) async fn connection(caller: &Caller, case: &mut Case, connection: &Connection) {
    let secrets = caller.gateway.upstreams.secrets(connection).await;
    case.connection(connection, secrets);
}

/// Notes what was decided. That it can be decided again is worth something, and not the call: what cannot be recorded is told
/// to the log, and the event itself is what must not be missing.
pub(super) async fn decided(caller: &Caller, case: &mut Case, decided: Decided) {
    if let Some(secrets) = case.secrets() {
        let place = (case.trace.as_str(), case.now);
        let recorder = &caller.gateway.recorder;
        match recorder.record((&decided.considered, decided.version), secrets, place).await {
            Ok(sealed) => case.stands_on(sealed),
            Err(error) => {
                tracing::warn!(cause = ?error, "a decision cannot be replayed, since it was not recorded");
            }
        }
    }
    case.decided(decided);
}
