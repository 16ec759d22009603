//! `traceparent` (W3C Trace Context, level 1) in `_meta`: the trace that a client began goes on through the gateway to the
//! upstream server, where the gateway is the parent. Log and paper trail name the same trace.

use std::fmt;

use portcullis_oauth::random_handle;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::errand::Params;

/// The members of `_meta`.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Our place in somebody's trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent {
    trace: String,
    /// Our span.
    span: String,
    /// The client's.
    parent: String,
    flags: String,
}

impl TraceParent {
    /// Reads the client's place and finds ours below it: `00-<32 hex>-<16 hex>-<2 hex>`. Later versions may have more behind that (§3.2.4); none is `ff`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let fits = is_hex(version, 2)
            && version != "ff"
            && (version != "00" || parts.next().is_none())
            && is_hex(trace, 32)
            && is_hex(parent, 16)
            && is_hex(flags, 2)
            && !is_zero(trace)
            && !is_zero(parent);
        let owned = |text: &str| text.to_owned();
        fits.then(|| Self { trace: owned(trace), span: drawn(), parent: owned(parent), flags: owned(flags) })
    }

    /// The trace's id.
    pub(crate) fn trace(&self) -> &str {
        &self.trace
    }

    /// For the paper trail.
    pub(crate) fn describe(&self) -> Value {
        json!({"id": self.trace, "span": self.span, "parent": self.parent})
    }

    /// Takes the client's place in a trace out of `_meta` and puts ours in. What is no such place does not travel on, nor does
    /// the state that belongs to it (§3.3).
    pub(crate) fn take_over(meta: &mut Params) -> Option<Self> {
        let given = meta.remove(TRACEPARENT);
        let Some(ours) = given.as_ref().and_then(Value::as_str).and_then(Self::parse) else {
            meta.remove(TRACESTATE);
            return None;
        };
        meta.insert(TRACEPARENT.to_owned(), Value::from(ours.to_string()));
        Some(ours)
    }
}

/// A span's id.
fn drawn() -> String {
    let drawn: [u8; 32] = Sha256::digest(random_handle("").as_bytes()).into();
    format!("{:016x}", u64::from_be_bytes(drawn.first_chunk().copied().unwrap_or_default()))
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn taken_over(meta: Value) -> (Option<TraceParent>, Value) {
        let Value::Object(mut meta) = meta else { panic!("no object") };
        (TraceParent::take_over(&mut meta), Value::Object(meta))
    }

    #[test]
    fn a_trace_goes_on_with_us_as_the_parent() {
        let (ours, meta) = taken_over(json!({"traceparent": GIVEN, "tracestate": "a=b", "other": 1}));
        let ours = ours.unwrap();
        assert_eq!(ours.trace(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(ours.parent, "00f067aa0ba902b7");
        assert_ne!(ours.span, ours.parent);
        assert_eq!(TraceParent::parse(&ours.to_string()).unwrap().parent, ours.span);
        assert_eq!(meta, json!({"traceparent": ours.to_string(), "tracestate": "a=b", "other": 1}));
    }

    #[test]
    fn what_is_no_place_in_a_trace_does_not_travel_on() {
        for wrong in [
            json!(""),
            json!(7),
            json!("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
            json!("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            json!("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            json!(format!("{GIVEN}-more")),
        ] {
            assert_eq!(
                taken_over(json!({"traceparent": wrong, "tracestate": "a=b"})),
                (None, json!({})),
                "{wrong}"
            );
        }
        assert!(TraceParent::parse(&GIVEN.replacen("00", "01", 1)).is_some());
    }
}
