//! JSON-RPC error codes. None of -32020 to -32099 but those that the specification defines is ever sent (HTTP26-18).

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
/// A revision that is not spoken here (HTTP26-3).
pub(crate) const UNSUPPORTED_VERSION: i64 = -32_022;
