//! The id under which log, audit and the caller's error text tell of the same request.

mod parent;

use axum::http::HeaderMap;
use portcullis_oauth::random_handle;

pub(crate) use self::parent::TraceParent;

/// What the server's outermost layer names each request with.
const HEADER: &str = "x-request-id";

/// One request's id: never secret, always printable.
#[derive(Clone, Debug)]
pub(crate) struct TraceId(String);

impl TraceId {
    /// The id that the request carries, or a new one when it carries none that could stand in a log.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let fits = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(fits);
        Self(given.map_or_else(|| random_handle("trc_"), str::to_owned))
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
