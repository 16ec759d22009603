//! JSON-RPC error codes. None of -32020 to -32099 but those that the specification defines is ever sent (HTTP26-18).

use axum::http::StatusCode;

/// Not JSON.
pub(crate) const PARSE_ERROR: i64 = -32_700;
/// Not one message.
pub(crate) const INVALID_REQUEST: i64 = -32_600;
/// Unknown method.
pub(crate) const METHOD_NOT_FOUND: i64 = -32_601;
/// Unusable parameters, an unknown tool among them.
pub(crate) const INVALID_PARAMS: i64 = -32_602;
/// Something failed that is not the caller's fault.
pub(crate) const INTERNAL_ERROR: i64 = -32_603;
/// Refused by the transport, before JSON-RPC came into it.
pub(crate) const TRANSPORT: i64 = -32_000;
/// A header is missing or says something else than the body (HTTP26-2, -4, -5).
pub(crate) const HEADER_MISMATCH: i64 = -32_020;
/// A capability is needed that the client did not declare (HTTP26-9).
const MISSING_CAPABILITY: i64 = -32_021;
/// What servers with sessions say of a resource that they do not have.
const RESOURCE_NOT_FOUND: i64 = -32_002;
/// What servers with sessions say when somebody has to open an address first (ELIC-8).
pub(crate) const URL_ELICITATION: i64 = -32_042;

/// An upstream's code, for a client of the stateless era or of the other: each era has codes that the other must not see
/// (HTTP26-18).
pub(crate) const fn passed_on(code: i64, stateless: bool) -> i64 {
    match code {
        RESOURCE_NOT_FOUND if stateless => INVALID_PARAMS,
        RESOURCE_NOT_FOUND => code,
        URL_ELICITATION if !stateless => code,
        // The upstream's word that it needs it; a client that declared it learns so that no admin lets this server ask.
        MISSING_CAPABILITY if stateless => code,
        -32_099..=-32_020 => INTERNAL_ERROR,
        _ => code,
    }
}

/// The HTTP status that goes with a code: 400 where the specification wants it (HTTP26-9), and else 200.
pub(crate) const fn status(code: i64) -> StatusCode {
    if code == MISSING_CAPABILITY { StatusCode::BAD_REQUEST } else { StatusCode::OK }
}

/// A revision that is not spoken here (HTTP26-3).
pub(crate) const UNSUPPORTED_VERSION: i64 = -32_022;
