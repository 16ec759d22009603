//! Where audit events go besides the database, as the settings say: daily files, and an address of the operator's.

use std::sync::Arc;

use portcullis_audit::{DailyFiles, Kept, Shipping, Sink, SinkError, SinkReach, json_lines};
use portcullis_database::Database;
use portcullis_oauth::{BoxFuture, Secret};
use portcullis_outbound::{Outbound, Outgoing};

use crate::Problem;
use crate::config::Config;

/// A webhook's answer is not looked at, but it is read: in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The sinks that the settings name.
///
/// # Errors
/// When the file cannot be read that holds what authorises us at the webhook.
pub(super) fn of(
    config: &Config,
    database: &Database,
    outbound: &Outbound,
) -> Result<Vec<Shipping>, Problem> {
    let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
    if let Some(folder) = &config.audit_files {
        sinks.push(Arc::new(DailyFiles::new(folder.clone())));
    }
    if let Some(url) = &config.audit_webhook {
        let authorization = config.audit_webhook_authorization_file.as_deref().map(read).transpose()?;
        sinks.push(Arc::new(Webhook { url: url.clone(), authorization, outbound: outbound.clone() }));
    }
    Ok(sinks.into_iter().map(|sink| Shipping::new(database.clone(), sink)).collect())
}

/// The value of `Authorization` that a file holds.
fn read(file: &std::path::Path) -> Result<Secret, Problem> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problem::failed(format!("audit_webhook_authorization_file {shown} cannot be read: {error}"))
    })?;
    match text.trim() {
        "" => Err(Problem::configuration(format!(
            "audit_webhook_authorization_file {shown} is empty: write the value of the Authorization header into it"
        ))),
        value => Ok(Secret::presented(value)),
    }
}

/// Posts events, as JSON Lines, to an address of the operator's. What is answered with a 2xx was taken.
#[derive(Debug)]
struct Webhook {
    url: Secret,
    authorization: Option<Secret>,
    outbound: Outbound,
}

impl Sink for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn reach(&self) -> SinkReach {
        SinkReach::All
    }

    fn take<'a>(&'a self, records: &'a [Kept]) -> BoxFuture<'a, Result<(), SinkError>> {
        let request = Outgoing::post(self.url.expose(), "application/x-ndjson", json_lines(records))
            .accepting("*/*")
            .at_most(LONGEST_ANSWER)
            .authorized(self.authorization.as_ref().map(Secret::expose));
        Box::pin(async move {
            match self.outbound.send(request).await {
                Ok(answer) if answer.status.is_success() => Ok(()),
                Ok(answer) => Err(SinkError(format!("it answered {}", answer.status))),
                Err(error) => Err(SinkError(error.cause.to_string())),
            }
        })
    }
}
