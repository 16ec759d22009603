//! Where audit events go besides the database: what those settings may be.

use std::path::{Path, PathBuf};

use portcullis_oauth::Secret;
use url::Url;

use super::validate::refused;
use crate::Problem;

/// The folder for daily files. The checkpoints have one of their own, in which every line is one.
pub(super) fn files(given: Option<String>, data_dir: &Path) -> Result<Option<PathBuf>, Problem> {
    let Some(folder) = given.filter(|path| !path.is_empty()).map(PathBuf::from) else { return Ok(None) };
    let checkpoints = data_dir.join("audit");
    if std::path::absolute(&folder).ok() == std::path::absolute(&checkpoints).ok() {
        let shown = checkpoints.display();
        return refused(format!(
            "audit_files must not be {shown}, where the checkpoints are: choose another folder"
        ));
    }
    Ok(Some(folder))
}

/// An address of the operator's; many hold a secret in their path or query. Which addresses can be reached at all is judged
/// when it is called.
pub(super) fn webhook(given: Option<String>) -> Result<Option<Secret>, Problem> {
    let Some(text) = given.filter(|url| !url.is_empty()) else { return Ok(None) };
    match Url::parse(&text) {
        Ok(url)
            if matches!(url.scheme(), "https" | "http")
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(Some(Secret::presented(text)))
        }
        _ => refused(
            "audit_webhook must be an https URL without a password; what authorises this server there stands in audit_webhook_authorization_file",
        ),
    }
}

/// The address as people see it: whose it is, and nothing of what may be secret in it.
pub(super) fn shown(url: &Secret) -> String {
    let origin = Url::parse(url.expose()).map(|url| url.origin().ascii_serialization());
    format!("{}/***", origin.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret_in_it() {
        let url = webhook(Some("https://hooks.example/T0/secret?token=x".to_owned())).unwrap().unwrap();
        assert_eq!(shown(&url), "https://hooks.example/***");
        assert!(!format!("{url:?}").contains("secret?"));
        for wrong in ["hooks.example", "ftp://hooks.example/", "https://u:p@hooks.example/"] {
            assert!(webhook(Some(wrong.to_owned())).is_err(), "{wrong}");
        }
        assert!(webhook(Some(String::new())).unwrap().is_none());
    }

    #[test]
    fn the_folder_of_the_checkpoints_is_no_folder_for_events() {
        assert!(files(Some("data/audit".to_owned()), Path::new("data")).is_err());
        assert!(files(Some("data/audit-events".to_owned()), Path::new("data")).is_ok());
    }
}
