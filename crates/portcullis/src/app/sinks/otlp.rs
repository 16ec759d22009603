//! The sinks of OpenTelemetry: events as log records, and those that took some time as spans, in the JSON form of OTLP/HTTP.
//! They come from the paper trail and not from the SDK, since its batches are lost with the process and these are not.

mod form;

use portcullis_audit::{Kept, Sink, SinkError, SinkReach};
use portcullis_oauth::BoxFuture;

use crate::app::post::Post;

const JSON: &str = "application/json";

/// Log records: one for each event.
#[derive(Debug)]
pub(super) struct Logs(pub(super) Post);

/// Spans: one for each request that was answered or refused.
#[derive(Debug)]
pub(super) struct Traces(pub(super) Post);

impl Sink for Logs {
    fn name(&self) -> &'static str {
        "otlp_logs"
    }

    fn reach(&self) -> SinkReach {
        SinkReach::All
    }

    fn take<'a>(&'a self, records: &'a [Kept]) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.0.send(JSON, form::logs(records).to_string()))
    }
}

impl Sink for Traces {
    fn name(&self) -> &'static str {
        "otlp_traces"
    }

    fn reach(&self) -> SinkReach {
        SinkReach::All
    }

    fn take<'a>(&'a self, records: &'a [Kept]) -> BoxFuture<'a, Result<(), SinkError>> {
        let spans = form::spans(records);
        Box::pin(async move {
            match spans {
                Some(spans) => self.0.send(JSON, spans.to_string()).await,
                None => Ok(()),
            }
        })
    }
}
