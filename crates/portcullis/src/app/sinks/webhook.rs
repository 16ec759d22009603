//! The sink that posts events as JSON Lines to a webhook.

use portcullis_audit::{Kept, Sink, SinkError, SinkReach, json_lines};
use portcullis_oauth::BoxFuture;

use crate::app::post::Post;

/// A webhook.
#[derive(Debug)]
pub(super) struct Webhook(pub(super) Post);

impl Sink for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn reach(&self) -> SinkReach {
        SinkReach::All
    }

    fn take<'a>(&'a self, records: &'a [Kept]) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.0.send("application/x-ndjson", json_lines(records)))
    }
}
