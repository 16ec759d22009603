//! Where audit events go besides the database: what those settings may be.

use std::path::{Path, PathBuf};

use portcullis_oauth::Secret;
use serde_json::{Value, json};
use url::Url;

use super::draft::Draft;
use super::validate::refused;
use crate::Problem;

/// Where audit events go besides the database.
#[derive(Clone, Debug, Default)]
pub struct Sinks {
    /// The folder for daily files, if they are wanted.
    pub files: Option<PathBuf>,
    /// Where events are posted to, if anywhere.
    pub webhook: Option<Secret>,
    /// The file with what authorises us there.
    pub webhook_authorization: Option<PathBuf>,
    /// Where OpenTelemetry is collected, if anywhere.
    pub otlp: Option<Secret>,
    /// The file with what authorises us there.
    pub otlp_authorization: Option<PathBuf>,
}

impl Sinks {
    /// Takes these settings out of the others.
    pub(super) fn check(draft: &mut Draft) -> Result<Self, Problem> {
        let data_dir = draft.data_dir.as_deref().filter(|path| !path.is_empty()).unwrap_or("data");
        Ok(Self {
            files: files(draft.audit_files.take(), Path::new(data_dir))?,
            webhook: url("audit_webhook", draft.audit_webhook.take())?,
            webhook_authorization: path(draft.audit_webhook_authorization_file.take()),
            otlp: url("otlp_endpoint", draft.otlp_endpoint.take())?,
            otlp_authorization: path(draft.otlp_authorization_file.take()),
        })
    }

    /// The value of one of these settings, as people see it; `None` for another's name.
    pub(super) fn shown(&self, name: &str) -> Option<Value> {
        let path = |path: &Option<PathBuf>| json!(path.as_ref().map(|path| path.display().to_string()));
        Some(match name {
            "audit_files" => path(&self.files),
            "audit_webhook" => json!(self.webhook.as_ref().map(shown)),
            "audit_webhook_authorization_file" => path(&self.webhook_authorization),
            "otlp_endpoint" => json!(self.otlp.as_ref().map(shown)),
            "otlp_authorization_file" => path(&self.otlp_authorization),
            _ => return None,
        })
    }
}

fn path(given: Option<String>) -> Option<PathBuf> {
    given.filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The folder for daily files. The checkpoints have one of their own, in which every line is one.
fn files(given: Option<String>, data_dir: &Path) -> Result<Option<PathBuf>, Problem> {
    let Some(folder) = path(given) else { return Ok(None) };
    let checkpoints = data_dir.join("audit");
    if std::path::absolute(&folder).ok() == std::path::absolute(&checkpoints).ok() {
        let shown = checkpoints.display();
        return refused(format!(
            "audit_files must not be {shown}, where the checkpoints are: choose another folder"
        ));
    }
    Ok(Some(folder))
}

/// An address of the operator's; many hold a secret in their path or query. Plain http stays on this computer.
pub(super) fn url(setting: &str, given: Option<String>) -> Result<Option<Secret>, Problem> {
    let Some(text) = given.filter(|url| !url.is_empty()) else { return Ok(None) };
    let fits = Url::parse(&text).is_ok_and(|url| {
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
        is_safe && url.username().is_empty() && url.password().is_none()
    });
    if fits {
        return Ok(Some(Secret::presented(text)));
    }
    refused(format!(
        "{setting} must be an https URL, or an http one on this computer, without a password: what authorises this server there has a file of its own"
    ))
}

/// The address as people see it: whose it is, and nothing of what may be secret in it.
fn shown(url: &Secret) -> String {
    let origin = Url::parse(url.expose()).map(|url| url.origin().ascii_serialization());
    format!("{}/***", origin.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret_in_it() {
        let given = "https://hooks.example/T0/secret?token=x".to_owned();
        let read = url("audit_webhook", Some(given)).unwrap().unwrap();
        assert_eq!(shown(&read), "https://hooks.example/***");
        assert!(!format!("{read:?}").contains("secret?"));
        for wrong in
            ["hooks.example", "http://hooks.example/", "ftp://localhost/", "https://u:p@hooks.example/"]
        {
            assert!(url("audit_webhook", Some(wrong.to_owned())).is_err(), "{wrong}");
        }
        assert!(url("audit_webhook", Some("http://127.0.0.1:4318".to_owned())).is_ok());
        assert!(url("audit_webhook", Some(String::new())).unwrap().is_none());
    }

    #[test]
    fn the_folder_of_the_checkpoints_is_no_folder_for_events() {
        assert!(files(Some("data/audit".to_owned()), Path::new("data")).is_err());
        assert!(files(Some("data/audit-events".to_owned()), Path::new("data")).is_ok());
    }
}
