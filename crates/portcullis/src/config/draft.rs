//! The settings as they were written, not yet checked.

use serde::Deserialize;

/// What file, environment and flags said together; `None` where nobody said anything. The names of the fields are the
/// names of the settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Draft {
    pub(super) data_dir: Option<String>,
    pub(super) database_url: Option<String>,
    pub(super) master_key: Option<String>,
    pub(super) master_key_file: Option<String>,
    pub(super) master_key_command: Option<Vec<String>>,
    pub(super) listen: Option<Vec<String>>,
    pub(super) public_url: Option<String>,
    pub(super) behind_tls_proxy: Option<bool>,
    pub(super) tls_certificate: Option<String>,
    pub(super) tls_key: Option<String>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) allowed_origins: Option<Vec<String>>,
    pub(super) access_token_seconds: Option<i64>,
    pub(super) refresh_idle_days: Option<i64>,
    pub(super) refresh_absolute_days: Option<i64>,
    pub(super) refresh_grace_seconds: Option<i64>,
    pub(super) registration: Option<String>,
    pub(super) registrations_per_minute: Option<i64>,
    pub(super) authorizations_per_minute: Option<i64>,
    pub(super) sign_ins_per_minute: Option<i64>,
    pub(super) user_calls_per_minute: Option<i64>,
    pub(super) user_lists_per_minute: Option<i64>,
    pub(super) user_tool_calls_per_minute: Option<i64>,
    pub(super) max_connections: Option<i64>,
    pub(super) require_par: Option<bool>,
    pub(super) client_documents: Option<String>,
    pub(super) private_hosts: Option<Vec<String>>,
    pub(super) outbound_seconds: Option<i64>,
    pub(super) signing_algorithm: Option<String>,
    pub(super) openid: Option<String>,
    pub(super) dpop: Option<String>,
    pub(super) dpop_nonces: Option<bool>,
    pub(super) node: Option<String>,
    pub(super) audit_days: Option<i64>,
    pub(super) audit_durability: Option<String>,
    pub(super) audit_redact: Option<Vec<String>>,
    pub(super) audit_files: Option<String>,
    pub(super) audit_webhook: Option<String>,
    pub(super) audit_webhook_authorization_file: Option<String>,
    pub(super) otlp_endpoint: Option<String>,
    pub(super) otlp_authorization_file: Option<String>,
    pub(super) ops_listen: Option<String>,
    pub(super) log: Option<String>,
    pub(super) log_format: Option<String>,
}
