//! The settings of mail: which server sends it, and whose it is.

use lettre::message::Mailbox;
use portcullis_oauth::Secret;
use serde_json::{Value, json};
use url::Url;

use super::draft::Draft;
use crate::Problem;

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The server, with name and password where it asks for them.
    pub url: Secret,
    /// The sender.
    pub from: Mailbox,
}

impl MailSettings {
    /// Both settings, or neither. What is not under TLS stays on this computer.
    pub(super) fn check(draft: &Draft) -> Result<Option<Self>, Problem> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (url, from) = match (given(&draft.smtp_url), given(&draft.smtp_from)) {
            (Some(url), Some(from)) => (url, from),
            (None, None) => return Ok(None),
            _ => return Err(Problem::configuration("smtp_url and smtp_from belong together: set both")),
        };
        if !is_safe(&url) {
            // Without the value: it may hold a password.
            return Err(Problem::configuration(
                "smtp_url must be smtps://[USER:PASSWORD@]HOST[:PORT] or smtp://…?tls=required; without TLS only on this computer",
            ));
        }
        let from = from.parse().map_err(|_| {
            Problem::configuration("smtp_from must be an e-mail address, as `Portcullis <gate@example.com>`")
        })?;
        Ok(Some(Self { url: Secret::presented(url), from }))
    }

    /// The setting of this name, for people.
    pub(super) fn shown(mail: Option<&Self>, name: &str) -> Option<Value> {
        match name {
            "smtp_url" => Some(json!(mail.map(|_| super::shown::MASK))),
            "smtp_from" => Some(json!(mail.map(|mail| mail.from.to_string()))),
            _ => None,
        }
    }
}

fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
    match (url.scheme(), url.query()) {
        ("smtps", None) | ("smtp", Some("tls=required")) => url.has_host(),
        ("smtp", None) => is_here,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_under_tls_or_not_at_all() {
        for url in [
            "smtps://u:p@mail.example",
            "smtp://mail.example:587?tls=required",
            "smtp://127.0.0.1:2525",
            "smtp://localhost",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "smtp://u:p@mail.example",
            "smtp://mail.example?tls=opportunistic",
            "smtp://[::1]",
            "smtps:",
            "https://mail.example",
            "",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }
}
