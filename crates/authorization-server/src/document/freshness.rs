//! For how long a document may be used without asking again (RFC 9111 §4.2.1), within bounds of our own (CIMD-4.4-1).

use std::time::UNIX_EPOCH;

use axum::http::HeaderMap;
use axum::http::header::{AGE, CACHE_CONTROL, EXPIRES, HeaderName};
use portcullis_oauth::{Seconds, Timestamp};

/// However often a document wants to be asked for.
const FLOOR: i64 = 300;
/// However long it wants to be believed.
const CEILING: i64 = 86_400;

/// Until when these headers, received at `now`, let the document be used.
pub(super) fn fresh_until(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    now.plus(Seconds(lifetime(headers, now).unwrap_or(FLOOR).clamp(FLOOR, CEILING)))
}

/// What these headers say of it, if they say anything that can be read.
pub(crate) fn lifetime(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let directives: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    if directives.iter().any(|directive| directive == "no-store" || directive.starts_with("no-cache")) {
        return None;
    }
    // Many people share this copy, so what is said to shared caches comes first.
    let said = ["s-maxage=", "max-age="]
        .into_iter()
        .find_map(|name| directives.iter().find_map(|directive| directive.strip_prefix(name)).map(seconds));
    match said {
        Some(said) => Some(said.saturating_sub(text(headers, &AGE).map_or(0, seconds))),
        None => text(headers, &EXPIRES).and_then(|text| until(text, now)),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What cannot be read is stale (RFC 9111 §4.2.1).
fn seconds(text: &str) -> i64 {
    text.trim_matches('"').parse().unwrap_or(0)
}

fn until(text: &str, now: Timestamp) -> Option<i64> {
    let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(at.as_secs()).ok().map(|at| at.saturating_sub(now.seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_767_268_800_000_000);

    fn fresh_for(headers: &[(&'static str, &'static str)]) -> i64 {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        NOW.seconds_until(fresh_until(&headers.collect(), NOW))
    }

    /// CIMD-4.4-1
    #[test]
    fn a_document_is_believed_as_long_as_it_says_within_bounds() {
        for (headers, expected) in [
            (&[][..], 300),
            (&[("cache-control", "max-age=0")], 300),
            (&[("cache-control", "public, Max-Age=3600")], 3_600),
            (&[("cache-control", "max-age=31536000")], 86_400),
            (&[("cache-control", "max-age=99999999999999999999")], 300),
            (&[("cache-control", "max-age=-1")], 300),
            (&[("cache-control", "max-age=3600, no-store")], 300),
            (&[("cache-control", "no-cache=\"x\", max-age=3600")], 300),
            (&[("cache-control", "max-age=60, s-maxage=7200")], 7_200),
            (&[("cache-control", "max-age=3600"), ("age", "600")], 3_000),
            (&[("expires", "Thu, 01 Jan 2026 13:00:00 GMT")], 3_600),
            (&[("expires", "0")], 300),
            (&[("cache-control", "max-age=600"), ("expires", "Thu, 01 Jan 2026 13:00:00 GMT")], 600),
        ] {
            assert_eq!(fresh_for(headers), expected, "{headers:?}");
        }
    }
}
