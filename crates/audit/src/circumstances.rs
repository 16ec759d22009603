//! What surrounds an event: from where and with what somebody asked, at which sort of server, how long it took, which policy
//! decided. Each is optional; whoever notes an event fills in what is known there.

use std::time::Duration;

use crate::{Event, trace};

/// Longer texts of strangers are cut.
const LONGEST: usize = 300;

/// The circumstances of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circumstances {
    pub(crate) email: Option<String>,
    pub(crate) server_kind: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) client_address: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) result_kind: Option<&'static str>,
    pub(crate) policy_version: Option<String>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) request: Option<String>,
}

impl Circumstances {
    /// What is known of the request that this task answers.
    pub(crate) fn of_this_request() -> Self {
        let request = trace::context().unwrap_or_default();
        Self {
            client_address: request.address.map(|address| address.to_string()),
            user_agent: request.user_agent.as_deref().map(printable),
            ..Self::default()
        }
    }
}

impl Event {
    /// The e-mail address of the person, as it was then.
    #[must_use]
    pub fn known_as(mut self, email: &str) -> Self {
        self.circumstances.email = Some(printable(email));
        self
    }

    /// At which sort of upstream server, such as `http` or `stdio`.
    #[must_use]
    pub fn at_server(mut self, kind: &str) -> Self {
        self.circumstances.server_kind = Some(printable(kind));
        self
    }

    /// In which session of a browser or of MCP; its hash, since the id opens the session.
    #[must_use]
    pub fn in_session(mut self, hash: &str) -> Self {
        self.circumstances.session = Some(printable(hash));
        self
    }

    /// What sort of result there was, such as `content` or `error`.
    #[must_use]
    pub fn resulting(mut self, kind: &'static str) -> Self {
        self.circumstances.result_kind = Some(kind);
        self
    }

    /// Under which version of the policy it was decided.
    #[must_use]
    pub fn under_policy(mut self, version: &str) -> Self {
        self.circumstances.policy_version = Some(printable(version));
        self
    }

    /// How long it took; kept in microseconds.
    #[must_use]
    pub fn taking(mut self, duration: Duration) -> Self {
        self.circumstances.duration_us = Some(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
        self
    }

    /// What the decision stood on, sealed, so that another policy can decide it again.
    #[must_use]
    pub fn standing_on(mut self, sealed: String) -> Self {
        self.circumstances.request = Some(sealed);
        self
    }
}

/// What a row may hold of a stranger's text.
fn printable(text: &str) -> String {
    within(text, LONGEST)
}

/// A text without controls, of at most so many characters.
pub(crate) fn within(text: &str, longest: usize) -> String {
    if text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return text.to_owned();
    }
    text.chars().filter(|c| !c.is_control()).take(longest).collect()
}
