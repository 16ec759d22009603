//! What Prometheus reads. Every label is one of a few words of ours: nothing that a stranger says becomes one.

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::Problem;

/// The upper ends of the buckets for durations, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What was counted. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// From now on this process counts.
    ///
    /// # Errors
    /// When something else in the process counts already.
    pub(super) fn start() -> Result<Self, Problem> {
        let failed = |error: &dyn std::fmt::Display| Problem::failed(format!("cannot count: {error}"));
        let builder = PrometheusBuilder::new().set_buckets(&SECONDS).map_err(|error| failed(&error))?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|error| failed(&error))?;
        describe();
        Ok(Self(handle))
    }

    /// The exposition format, version 0.0.4.
    pub(crate) fn text(&self, ready: bool) -> String {
        metrics::gauge!("portcullis_ready").set(if ready { 1.0 } else { 0.0 });
        metrics::gauge!("portcullis_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        self.0.run_upkeep();
        self.0.render()
    }
}

fn describe() {
    metrics::describe_counter!(
        "portcullis_http_requests_total",
        "requests that were answered, by surface and class of status"
    );
    metrics::describe_histogram!("portcullis_http_request_seconds", "time until an answer began, by surface");
    metrics::describe_counter!(
        "portcullis_approval_notices_total",
        "notices of calls that wait for a person, by way (webhook, mail) and outcome (told, failed, dropped)"
    );
    metrics::describe_counter!("portcullis_audit_events_total", "audit events, by action and outcome");
    metrics::describe_counter!("portcullis_refusals_total", "refusals, by action and reason");
    metrics::describe_counter!("portcullis_audit_failures_total", "audit events that could not be committed");
    metrics::describe_counter!(
        "portcullis_audit_sink_failures_total",
        "times that a sink did not take events"
    );
    metrics::describe_gauge!("portcullis_ready", "1 when /readyz says ready");
    metrics::describe_gauge!("portcullis_build_info", "1, for the version that runs");
}

/// Counts an answer.
pub(super) fn answered(path: &str, status: u16, took: Duration) {
    let (surface, class) = (surface(path), class(status));
    metrics::counter!("portcullis_http_requests_total", "surface" => surface, "status" => class).increment(1);
    metrics::histogram!("portcullis_http_request_seconds", "surface" => surface).record(took);
}

/// Which part of the server a path belongs to.
fn surface(path: &str) -> &'static str {
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("mcp", _) => "mcp",
        ("oauth", Some("token")) => "token",
        ("oauth", _) => "oauth",
        (".well-known", _) => "metadata",
        ("api", _) => "api",
        ("assets", _) => "assets",
        ("healthz" | "readyz", None) => "health",
        _ => "pages",
    }
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_stranger_asks_for_the_labels_are_few() {
        for (path, expected) in [
            ("/mcp", "mcp"),
            ("/mcp/github", "mcp"),
            ("/oauth/token", "token"),
            ("/oauth/authorize", "oauth"),
            ("/.well-known/oauth-protected-resource/mcp", "metadata"),
            ("/healthz", "health"),
            ("/login", "pages"),
            ("/a/b/c?d", "pages"),
            ("", "pages"),
            ("//mcp", "mcp"),
        ] {
            assert_eq!(surface(path), expected, "{path}");
        }
        assert_eq!([99, 204, 302, 404, 503, 999].map(class), ["5xx", "2xx", "3xx", "4xx", "5xx", "5xx"]);
    }

    #[test]
    fn what_was_counted_is_shown_in_the_exposition_format() {
        let metrics = Metrics::start().unwrap();
        answered("/mcp/a-name-of-somebodys", 401, Duration::from_millis(3));
        let text = metrics.text(true);
        for line in [
            "portcullis_http_requests_total{surface=\"mcp\",status=\"4xx\"} 1",
            "portcullis_http_request_seconds_bucket{surface=\"mcp\",le=\"0.005\"} 1",
            "portcullis_ready 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("somebodys"));
    }
}
