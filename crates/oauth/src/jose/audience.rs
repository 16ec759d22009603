//! The claim `aud` (RFC 7519 §4.1.3): one value, or an array of one; more than one is never taken.

use serde_json::Value;

/// The one audience of a token.
#[must_use]
pub fn single_audience(claim: Option<&Value>) -> Option<&str> {
    match claim? {
        Value::String(one) => Some(one),
        Value::Array(all) => match all.as_slice() {
            [Value::String(one)] => Some(one),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// R7523b-aud-1, A20: an array of one is that one; of more, nobody's
    #[test]
    fn only_a_single_audience_counts() {
        for (claim, audience) in [
            (json!("https://h"), Some("https://h")),
            (json!(["https://h"]), Some("https://h")),
            (json!(["https://h", "https://evil"]), None),
            (json!(["https://h", "https://h"]), None),
            (json!([]), None),
            (json!([1]), None),
            (json!(null), None),
        ] {
            assert_eq!(single_audience(Some(&claim)), audience, "{claim}");
        }
        assert_eq!(single_audience(None), None);
    }
}
