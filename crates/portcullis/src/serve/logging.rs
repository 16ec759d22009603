//! The log: lines on stderr, for people or as JSON.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::Problem;
use crate::config::{Config, LogFormat};

/// The whole filter. A bare level is about us: the database driver's notices and the frames of HTTP/2 are news to nobody, and
/// at the lowest levels those layers print what must not be printed.
#[must_use]
pub fn filter(setting: &str) -> String {
    if setting.contains([',', '=']) {
        return setting.to_owned();
    }
    format!("{setting},sqlx=warn,h2=warn,hyper=warn,hyper_util=warn,rustls=warn")
}

/// Sends what the configuration asks for to stderr.
///
/// # Errors
/// When the filter cannot be read, or something else in the process logs already.
pub(super) fn start(config: &Config) -> Result<(), Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::configuration(format!("cannot log: {error}"));
    let filter = EnvFilter::try_new(filter(&config.log)).map_err(|error| failed(&error))?;
    let lines =
        Subscriber::builder().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => tracing::subscriber::set_global_default(lines.finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(lines.json().finish()),
    }
    .map_err(|error| failed(&error))
}
