//! Records in the JSON form of OTLP (opentelemetry-proto 1.x, "JSON Protobuf Encoding"): 64-bit numbers are texts, ids are hex.

use portcullis_audit::Kept;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// `SEVERITY_NUMBER_INFO` and `SEVERITY_NUMBER_WARN`.
const INFO: u8 = 9;
const WARN: u8 = 13;
/// `SPAN_KIND_SERVER`, and `STATUS_CODE_ERROR`.
const SERVER: u8 = 2;
const ERROR: u8 = 2;

/// A request of log records.
pub(super) fn logs(records: &[Kept]) -> Value {
    let logs: Vec<Value> = records.iter().map(log).collect();
    json!({"resourceLogs": [{"resource": resource(records), "scopeLogs": [{"scope": scope(), "logRecords": logs}]}]})
}

/// A request of spans; `None` when none of the records is the end of something.
pub(super) fn spans(records: &[Kept]) -> Option<Value> {
    let spans: Vec<Value> = records.iter().filter_map(span).collect();
    (!spans.is_empty()).then(|| {
        json!({"resourceSpans": [{"resource": resource(records), "scopeSpans": [{"scope": scope(), "spans": spans}]}]})
    })
}

fn log(record: &Kept) -> Value {
    let place = Place::of(record);
    let failed = matches!(record.outcome.as_str(), "refused" | "failed");
    json!({
        "timeUnixNano": nanos(record.at.micros()),
        "severityNumber": if failed { WARN } else { INFO },
        "severityText": if failed { "WARN" } else { "INFO" },
        "eventName": record.action,
        "body": {"stringValue": format!("{} {}", record.action, record.outcome)},
        "attributes": attributes(record),
        "traceId": place.trace,
        "spanId": place.span,
    })
}

/// What took some time was a request, and its record is written at its end.
fn span(record: &Kept) -> Option<Value> {
    let (took, place) = (record.duration_us?, Place::of(record));
    let mut span = json!({
        "traceId": place.trace,
        "spanId": place.span,
        "name": record.action,
        "kind": SERVER,
        "startTimeUnixNano": nanos(record.at.micros().saturating_sub(took)),
        "endTimeUnixNano": nanos(record.at.micros()),
        "attributes": attributes(record),
        "status": if record.outcome == "done" { json!({}) } else { json!({"code": ERROR}) },
    });
    if let (Some(parent), Some(members)) = (place.parent, span.as_object_mut()) {
        members.insert("parentSpanId".to_owned(), Value::from(parent));
    }
    Some(span)
}

/// Where a record stands in a trace: the client's, where it brought one, else one of the request's own.
struct Place {
    trace: String,
    span: String,
    parent: Option<String>,
}

impl Place {
    fn of(record: &Kept) -> Self {
        let detail: Option<Value> = record.detail.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let trace = detail.as_ref().and_then(|detail| detail.get("trace"));
        let text = |name: &str| Some(trace?.get(name)?.as_str()?.to_owned());
        if let (Some(trace), Some(span)) = (text("id"), text("span")) {
            return Self { trace, span, parent: text("parent") };
        }
        let request = record.trace_id.as_deref().unwrap_or(&record.id);
        let drawn: [u8; 32] = Sha256::digest(request.as_bytes()).into();
        let trace = u128::from_be_bytes(drawn.first_chunk().copied().unwrap_or_default());
        let span = u64::from_be_bytes(drawn.last_chunk().copied().unwrap_or_default());
        Self { trace: format!("{trace:032x}"), span: format!("{span:016x}"), parent: None }
    }
}

/// Everything that is known of a record, by the names of exports.
fn attributes(record: &Kept) -> Vec<Value> {
    let known = match record.to_json() {
        Value::Object(known) => known,
        _ => Map::new(),
    };
    let kept = known.into_iter().filter(|(name, _)| !matches!(name.as_str(), "at" | "payload_hash" | "hash"));
    kept.map(|(name, value)| {
        let value = match value {
            Value::String(text) => json!({"stringValue": text}),
            Value::Number(number) => json!({"intValue": number.to_string()}),
            other => json!({"stringValue": other.to_string()}),
        };
        json!({"key": format!("portcullis.{name}"), "value": value})
    })
    .collect()
}

/// One chain's: all records of a request are of one node.
fn resource(records: &[Kept]) -> Value {
    let node = records.first().and_then(|record| record.node.as_deref()).unwrap_or_default();
    let attribute = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    json!({"attributes": [
        attribute("service.name", "portcullis"),
        attribute("service.version", env!("CARGO_PKG_VERSION")),
        attribute("service.instance.id", node),
    ]})
}

fn scope() -> Value {
    json!({"name": "portcullis.audit", "version": env!("CARGO_PKG_VERSION")})
}

/// Microseconds as OTLP writes nanoseconds.
fn nanos(micros: i64) -> String {
    i128::from(micros).saturating_mul(1_000).max(0).to_string()
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::Timestamp;

    use super::*;

    fn record(outcome: &str, detail: &str) -> Kept {
        let text = |text: &str| Some(text.to_owned());
        Kept {
            id: "evt_1".to_owned(),
            at: Timestamp::from_micros(1_790_000_000_000_005),
            action: "tools.call".to_owned(),
            outcome: outcome.to_owned(),
            reason: None,
            principal_id: text("user_a"),
            client_id: None,
            connection_id: None,
            tool: text("echo"),
            trace_id: text("req_1"),
            detail: text(detail),
            email: None,
            server_kind: None,
            session: None,
            client_address: None,
            user_agent: None,
            result_kind: None,
            policy_version: None,
            duration_us: (outcome != "started").then_some(5),
            request: text("sealed"),
            payload_hash: None,
            salt: text("salt"),
            node: text("one"),
            sequence: Some(7),
            hash: None,
            erased_by: None,
        }
    }

    const TRACED: &str = r#"{"trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736","span":"00f067aa0ba902b7","parent":"1111111111111111"}}"#;

    #[test]
    fn a_span_is_where_the_client_left_its_trace() {
        let request = spans(&[record("started", TRACED), record("done", TRACED)]).unwrap();
        let all = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        assert_eq!(all.len(), 1, "what began has no end yet");
        let span = &all[0];
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(
            (&span["spanId"], &span["parentSpanId"]),
            (&json!("00f067aa0ba902b7"), &json!("1111111111111111"))
        );
        assert_eq!((&span["kind"], &span["status"]), (&json!(2), &json!({})));
        assert_eq!(span["startTimeUnixNano"], "1790000000000000000");
        assert_eq!(span["endTimeUnixNano"], "1790000000000005000");
        assert!(spans(&[record("started", TRACED)]).is_none());
    }

    #[test]
    fn a_log_record_holds_what_an_export_holds() {
        let request = logs(&[record("refused", "{}")]);
        let resource = &request["resourceLogs"][0]["resource"]["attributes"];
        assert_eq!(resource[2], json!({"key": "service.instance.id", "value": {"stringValue": "one"}}));
        let log = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!((&log["severityText"], &log["eventName"]), (&json!("WARN"), &json!("tools.call")));
        let attributes = log["attributes"].as_array().unwrap();
        assert!(attributes.contains(&json!({"key": "portcullis.tool", "value": {"stringValue": "echo"}})));
        assert!(attributes.contains(&json!({"key": "portcullis.sequence", "value": {"intValue": "7"}})));
        let text = request.to_string();
        assert!(!text.contains("sealed") && !text.contains("salt"), "{text}");
        let ids = [&log["traceId"], &log["spanId"]].map(|id| id.as_str().unwrap().len());
        assert_eq!(ids, [32, 16]);
    }
}
