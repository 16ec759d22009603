//! Secrets that went over the wire in a story, and the log in which none of them may stand (R9700-4.9.3-1, ASVS-16.2.5).
//!
//! The servers of all stories log at `trace`, with the filter that the binary makes of it, into one text. When a world ends,
//! that text is searched for every secret that was issued or presented so far, and for anything that is shaped like one.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use axum::http::HeaderMap;
use portcullis::serve::logging;
use portcullis_oauth::SecretKind;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{MakeWriter, Subscriber};

use crate::Answer;

static LOG: Mutex<String> = Mutex::new(String::new());
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static LISTENING: Once = Once::new();

const KINDS: [SecretKind; 13] = [
    SecretKind::AccessToken,
    SecretKind::RefreshToken,
    SecretKind::AuthorizationCode,
    SecretKind::ClientSecret,
    SecretKind::AuthorizationRequest,
    SecretKind::PushedRequest,
    SecretKind::RegistrationAccess,
    SecretKind::InitialAccess,
    SecretKind::Csrf,
    SecretKind::SetupLink,
    SecretKind::McpSession,
    SecretKind::KnownBrowser,
    SecretKind::UpstreamState,
];
/// The form fields whose values are secrets of whatever shape.
const FIELDS: [&str; 13] = [
    "password",
    "current",
    "new",
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "subject_token",
    "actor_token",
    "client_secret",
    "client_assertion",
    "assertion",
    "csrf",
];
/// What is shorter could stand in a log by chance.
const LEAST: usize = 12;

/// Listens to the log from now on, until the story ends; then nothing secret may stand in it.
pub(crate) struct Watch;

impl Watch {
    pub(crate) fn begin() -> Self {
        LISTENING.call_once(|| {
            let filter = EnvFilter::try_new(logging::filter("trace")).expect("a filter");
            let lines = Subscriber::builder().with_env_filter(filter).with_writer(Capture).with_ansi(false);
            tracing::subscriber::set_global_default(lines.finish()).expect("nothing else logs here");
        });
        tracing::trace!("a story begins");
        Self
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A story that failed says so itself.
        if !std::thread::panicking() {
            let log = LOG.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let leaks = leaks(&log, &secrets);
            assert!(leaks.is_empty(), "secrets stand in the log:\n{}", leaks.join("\n"));
            assert!(log.contains("a story begins"), "nothing was captured at trace");
        }
    }
}

/// The lines of a text that hold a secret which was issued or presented so far, or anything that is shaped like one.
#[must_use]
pub fn secrets_in(text: &str) -> Vec<String> {
    leaks(text, &SECRETS.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// The lines of the log that hold a secret.
fn leaks(log: &str, secrets: &BTreeSet<String>) -> Vec<String> {
    let holds = |line: &&str| {
        shaped(line).next().is_some() || secrets.iter().any(|secret| line.contains(secret.as_str()))
    };
    log.lines().filter(holds).map(str::to_owned).collect()
}

/// Everything in a text that is shaped like a secret of ours.
fn shaped(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    KINDS.into_iter().flat_map(move |kind| {
        let prefix = kind.prefix();
        text.match_indices(prefix).filter_map(move |(at, _)| {
            let found = text[at..].split(ends).next().unwrap_or_default();
            (found.len() >= prefix.len() + 40).then_some(found)
        })
    })
}

fn keep(secrets: impl IntoIterator<Item = String>) {
    let long = secrets.into_iter().filter(|secret| secret.len() >= LEAST);
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner).extend(long);
}

/// Remembers what a request presents.
pub(crate) fn presented(headers: &HeaderMap, uri: &str, body: &[u8]) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    keep(text("authorization").split_once(' ').map(|(_, credentials)| credentials.to_owned()));
    keep(text("cookie").split("; ").filter_map(|pair| Some(pair.split_once('=')?.1.to_owned())));
    keep(text("mcp-session-id").split_whitespace().map(str::to_owned));
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    for encoded in [query.as_bytes(), body] {
        let pairs = url::form_urlencoded::parse(encoded);
        keep(pairs.filter(|(name, _)| FIELDS.contains(&name.as_ref())).map(|(_, value)| value.into_owned()));
    }
    keep(shaped(uri).chain(shaped(&String::from_utf8_lossy(body))).map(str::to_owned));
}

/// Remembers what an answer issues.
pub(crate) fn issued(answer: &Answer) {
    for (name, value) in &answer.headers {
        let value = value.to_str().unwrap_or_default();
        keep(shaped(value).map(str::to_owned));
        if name == "set-cookie" {
            keep(value.split(['=', ';']).nth(1).map(str::to_owned));
        }
    }
    keep(shaped(&answer.body).map(str::to_owned));
    // A signed access token has no shape of ours.
    keep(answer.json()["access_token"].as_str().map(str::to_owned));
    keep(answer.field("csrf"));
}

struct Capture;

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Capture {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9700-4.9.3-1, ASVS-16.2.5: what would be found
    #[test]
    fn a_secret_in_the_log_is_found_by_its_shape_or_by_having_been_presented() {
        let token = portcullis_oauth::Secret::generate(SecretKind::AccessToken);
        let secrets = BTreeSet::from(["seven green lorries parked".to_owned()]);
        let log = format!("one\ntwo {:?}\nthree seven green lorries parked!", token.expose());
        assert_eq!(leaks(&log, &secrets).len(), 2);
        assert!(leaks("a pcl_at_ prefix, and seven green lorries", &secrets).is_empty());
    }
}
