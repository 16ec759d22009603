//! Times in claims (`NumericDate`, RFC 7519 §2), and how far two clocks may differ.

use serde_json::{Map, Value};

use crate::{Seconds, Timestamp};

/// So far the clocks of whoever made a token and whoever judges it may differ.
pub(super) const LEEWAY: Seconds = Seconds(30);
/// The year 10000: later numbers are no times, and none overflows.
const LATEST: f64 = 253_402_300_800.0;

/// A claim that is a time: `Ok(None)` when it is absent.
///
/// # Errors
/// When it is there and no time.
pub(crate) fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, NotATime> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..LATEST).contains(seconds)).ok_or(NotATime)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between 0 and the year 10000; the part of a second goes"
    )]
    let seconds = seconds as i64;
    Ok(Some(Timestamp::from_micros(seconds * 1_000_000)))
}

/// A claim that should be a time is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotATime;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds_and_nothing_else() {
        let read = |value: Value| time(json!({ "exp": value }).as_object().unwrap(), "exp");
        assert_eq!(read(json!(1_790_000_000)), Ok(Some(Timestamp::from_micros(1_790_000_000_000_000))));
        assert_eq!(read(json!(1.9)), Ok(Some(Timestamp::from_micros(1_000_000))));
        for bad in [json!("1790000000"), json!(-1), json!(1e300), json!(u64::MAX), json!(null), json!([1])] {
            assert_eq!(read(bad.clone()), Err(NotATime), "{bad}");
        }
        assert_eq!(time(&Map::new(), "exp"), Ok(None));
    }
}
