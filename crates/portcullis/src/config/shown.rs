//! Every setting as it counts, and who said so. Secrets are masked.

use std::path::Path;

use portcullis_oauth::Seconds;
use serde_json::{Value, json};
use url::Url;

use super::keys::KEYS;
use super::validate::{DURABILITY, REGISTRATION};
use super::{Config, LogFormat, MailSettings, Sources, master_key};
use crate::Problem;

pub(super) const MASK: &str = "***";

/// A setting as it counts.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its name.
    pub name: &'static str,
    /// Its value, without secrets; null where there is none.
    pub value: Value,
    /// The file, variable or flag that says so, or `default`.
    pub origin: String,
}

/// Every setting, in the order in which help lists them.
///
/// # Errors
/// As [`Config::load`].
pub fn show(config: &Config, sources: &Sources) -> Result<Vec<Shown>, Problem> {
    let shown = |name| {
        let value = value(config, name)?;
        Ok(Shown { name, value, origin: sources.origin(name)? })
    };
    KEYS.iter().map(|key| shown(key.name)).collect()
}

fn value(config: &Config, name: &str) -> Result<Value, Problem> {
    let path = |path: &Path| json!(path.display().to_string());
    let days = |life: Seconds| json!(life.0 / Seconds::days(1).0);
    let texts = |texts: Vec<String>| json!(texts);
    Ok(match name {
        "data_dir" => path(&config.data_dir),
        "database_url" => json!(config.database_url.masked()),
        "listen" => texts(config.listen.iter().map(|listen| listen.address.to_string()).collect()),
        "public_url" => json!(config.assumed_public_url()?.as_str()),
        "behind_tls_proxy" => json!(config.behind_tls_proxy),
        "tls_certificate" => config.tls.as_ref().map_or(Value::Null, |tls| path(&tls.certificate)),
        "tls_key" => config.tls.as_ref().map_or(Value::Null, |tls| path(&tls.key)),
        "trusted_proxies" => texts(config.trusted_proxies.iter().map(ToString::to_string).collect()),
        "allowed_origins" => texts(config.allowed_origins.clone()),
        "access_token_seconds" => json!(config.access_token.0),
        "refresh_idle_days" => days(config.refresh_idle),
        "refresh_absolute_days" => days(config.refresh_absolute),
        "refresh_grace_seconds" => json!(config.refresh_grace.0),
        "registration" => {
            json!(REGISTRATION.iter().find(|(_, mode)| *mode == config.registration).map(|(word, _)| word))
        }
        "require_par" => json!(config.require_pushed_authorization_requests),
        "client_documents" => json!(config.client_documents.as_str()),
        "private_hosts" => texts(config.private_hosts.clone()),
        "outbound_seconds" => json!(config.outbound_time.as_secs()),
        "signing_algorithm" => json!(config.signing_algorithm),
        "openid" => json!(if config.openid { "on" } else { "off" }),
        "dpop" => json!(config.dpop.as_str()),
        "dpop_nonces" => json!(config.dpop_nonces),
        "node" => json!(config.node),
        "audit_durability" => {
            json!(DURABILITY.iter().find(|(_, kind)| *kind == config.audit_durability).map(|(word, _)| word))
        }
        "audit_redact" => texts(config.audit_redact.clone()),
        "audit_days" => days(config.audit_kept),
        "ops_listen" if config.ops_listen.is_empty() => json!("off"),
        "ops_listen" => texts(config.ops_listen.iter().map(|listen| listen.address.to_string()).collect()),
        "log" => json!(config.log),
        "log_format" => json!(match config.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }),
        // A test asks for every setting.
        name => match other(config, name) {
            Some(shown) => shown,
            None => return Err(Problem::failed(format!("{name} cannot be shown"))),
        },
    })
}

/// A setting that a part of the configuration shows itself.
fn other(config: &Config, name: &str) -> Option<Value> {
    let limits = config.limits.shown(name).or_else(|| config.approvals.shown(name));
    let limits = limits.or_else(|| MailSettings::shown(config.mail.as_ref(), name));
    let limits = limits.or_else(|| config.sinks.shown(name));
    limits.or_else(|| master_key::shown(&config.master_key, name))
}

/// A URL without the passwords in it.
pub(super) fn mask(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    // What is not in the form of such a URL may have a password anywhere.
    let Some(mut url) = Url::parse(text).ok().filter(Url::has_host) else { return MASK.to_owned() };
    url.set_fragment(None);
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let hidden = |name: &str| name.to_ascii_lowercase().contains("password");
        url.query_pairs_mut()
            .clear()
            .extend_pairs(pairs.iter().map(|(name, value)| (name, if hidden(name) { MASK } else { value })));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("sqlite:data/p.db", "sqlite:data/p.db"),
            ("postgres://u@h:5432/d", "postgres://u@h:5432/d"),
            ("postgres://u:hunter2@h/d", "postgres://u:***@h/d"),
            ("postgres://h/d?user=u&password=hunter2", "postgres://h/d?user=u&password=***"),
            ("postgres://u:hunter2/@h/d", "***"),
            ("postgres:hunter2@[", "***"),
        ] {
            assert_eq!(mask(url), shown);
        }
    }
}
