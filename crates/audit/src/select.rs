//! The columns of a [`Kept`](crate::Kept), for statements that read records.

/// A statement that reads whole records; what follows `FROM audit_event` is given.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, at, action, outcome, reason, principal_id, client_id, connection_id, tool, trace_id, detail, \
             email, server_kind, session, client_address, user_agent, result_kind, policy_version, duration_us, \
             request, payload_hash, salt, node, sequence, hash, erased_by FROM audit_event ",
            $rest
        )
    };
}

pub(crate) use select;
