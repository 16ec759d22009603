//! Where audit events go besides the database, as the settings say: daily files, a webhook, and a collector of OpenTelemetry.

mod otlp;
mod webhook;

use std::path::Path;
use std::sync::Arc;

use portcullis_audit::{DailyFiles, Shipping, Sink};
use portcullis_database::Database;
use portcullis_oauth::Secret;

use self::otlp::{Logs, Traces};
use self::webhook::Webhook;
use super::post::Post;
use crate::Problem;
use crate::config::Config;

/// The sinks that the settings name.
///
/// # Errors
/// When a file cannot be read that holds what authorises us somewhere.
pub(super) fn of(config: &Config, database: &Database) -> Result<Vec<Shipping>, Problem> {
    let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
    if let Some(folder) = &config.sinks.files {
        sinks.push(Arc::new(DailyFiles::new(folder.clone())));
    }
    if let Some(url) = &config.sinks.webhook {
        let file = config.sinks.webhook_authorization.as_deref();
        let authorization = file.map(|file| read("audit_webhook_authorization_file", file)).transpose()?;
        sinks.push(Arc::new(Webhook(Post::to(url.clone(), authorization, config)?)));
    }
    if let Some(endpoint) = &config.sinks.otlp {
        let file = config.sinks.otlp_authorization.as_deref();
        let authorization = file.map(|file| read("otlp_authorization_file", file)).transpose()?;
        let post = |signal: &str| {
            let url = format!("{}/v1/{signal}", endpoint.expose().trim_end_matches('/'));
            Post::to(Secret::presented(url), authorization.clone(), config)
        };
        sinks.push(Arc::new(Logs(post("logs")?)));
        sinks.push(Arc::new(Traces(post("traces")?)));
    }
    Ok(sinks.into_iter().map(|sink| Shipping::new(database.clone(), sink)).collect())
}

/// The value of `Authorization` that a file holds.
fn read(setting: &str, file: &Path) -> Result<Secret, Problem> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Problem::failed(format!("{setting} {shown} cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(Problem::configuration(format!(
            "{setting} {shown} is empty: write the value of the Authorization header into it"
        ))),
        value => Ok(Secret::presented(value)),
    }
}
