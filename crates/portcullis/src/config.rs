//! The configuration: none is needed, and each part can come from `portcullis.toml`, the environment or a flag.
//!
//! Owns where settings come from ([`Sources`]), which there are, what their values may be, and the sentences about those
//! that are wrong. Leaves what a setting does to the code that reads [`Config`].

mod approvals;
mod draft;
mod keys;
mod limits;
mod listen;
mod mail;
mod master_key;
mod network;
mod shown;
mod sinks;
mod sources;
mod validate;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_authorization_server::{ClientDocuments, Registration};
use portcullis_oauth::dpop::DpopUse;
use portcullis_oauth::jose::Algorithm;
use portcullis_oauth::{PublicUrl, Seconds};
use portcullis_vault::MasterKeySource;

pub use approvals::ApprovalSettings;
pub use keys::describe;
pub use limits::{CountedIn, Limits};
pub use listen::ListenAddress;
pub use mail::MailSettings;
pub use network::Network;
pub use shown::{Shown, show};
pub use sinks::Sinks;
pub use sources::{Flags, Sources};

use crate::Problem;

/// Where the database is. May hold a password, so `Debug` prints the engine only.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL with its password, for the driver.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL for people, its password replaced.
    #[must_use]
    pub fn masked(&self) -> String {
        shown::mask(&self.0)
    }

    /// The file, if it is `SQLite`.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        let path = self.0.strip_prefix("sqlite://").or_else(|| self.0.strip_prefix("sqlite:"));
        path.map(Path::new)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({}:…)", self.0.split(':').next().unwrap_or_default())
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the commit of an audit event waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditDurability {
    /// What every other commit on this engine waits for: the disk on PostgreSQL, the operating system on `SQLite`.
    Engine,
    /// The disk. On `SQLite` every commit does then.
    Strict,
    /// The operating system: what was committed last may be lost if the machine loses its power.
    Relaxed,
}

/// The files with which we end TLS ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its issuer, in PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, in PEM.
    pub key: PathBuf,
}

/// Every setting, checked.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the switches that an operator sets, each by its own name"
)]
pub struct Config {
    /// The folder for the database, the master key and the demo's files.
    pub data_dir: PathBuf,
    /// Where the database is.
    pub database_url: DatabaseUrl,
    /// Where the master key comes from.
    pub master_key: MasterKeySource,
    /// Where to listen; never empty.
    pub listen: Vec<ListenAddress>,
    /// The origin under which everything is published, if one was named; see [`public_url_on`](Self::public_url_on).
    pub public_url: Option<PublicUrl>,
    /// Whether TLS ends in front of us.
    pub behind_tls_proxy: bool,
    /// Certificate and key, if we end TLS ourselves.
    pub tls: Option<TlsFiles>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Origins of browser applications that may call the MCP endpoints.
    pub allowed_origins: Vec<String>,
    /// How long an access token lives.
    pub access_token: Seconds,
    /// How long a refresh token lives without being used.
    pub refresh_idle: Seconds,
    /// How long a grant can be refreshed at all.
    pub refresh_absolute: Seconds,
    /// For how long a rotated refresh token still gets its successor.
    pub refresh_grace: Seconds,
    /// Who may register clients (RFC 7591).
    pub registration: Registration,
    /// How much of what one address or one user gets.
    pub limits: Limits,
    /// Whether every authorization request must be pushed first (RFC 9126).
    pub require_pushed_authorization_requests: bool,
    /// Whether clients may name themselves by the URL of a document (CIMD).
    pub client_documents: ClientDocuments,
    /// Hosts that may have private addresses when what a client named is read.
    pub private_hosts: Vec<String>,
    /// How long a request to an address may take that a client named.
    pub outbound_time: Duration,
    /// What signed access tokens are signed with.
    pub signing_algorithm: Algorithm,
    /// Whether clients may learn who signed in (OpenID Connect).
    pub openid: bool,
    /// Whose tokens are bound to a key (RFC 9449).
    pub dpop: DpopUse,
    /// Whether proofs of a key must hold a nonce of ours.
    pub dpop_nonces: bool,
    /// How calls are approved, and who hears of it.
    pub approvals: ApprovalSettings,
    /// How mail is sent, if it is.
    pub mail: Option<MailSettings>,
    /// Under which name this process writes audit events, if one was named; see `app::paper`.
    pub node: Option<String>,
    /// How long audit events are kept.
    pub audit_kept: Seconds,
    /// What the commit of an audit event waits for.
    pub audit_durability: AuditDurability,
    /// Words in names of arguments whose values are not recorded, beside those that always tell of a secret.
    pub audit_redact: Vec<String>,
    /// Where audit events go besides the database.
    pub sinks: Sinks,
    /// Where those are answered who watch over the process; empty: nowhere but on the public listener.
    pub ops_listen: Vec<ListenAddress>,
    /// The log's filter.
    pub log: String,
    /// The log's form.
    pub log_format: LogFormat,
}

impl Config {
    /// Reads and checks every setting.
    ///
    /// # Errors
    /// On the first setting that is unknown or wrong, in one sentence that says what to do.
    pub fn load(sources: &Sources) -> Result<Self, Problem> {
        sources.read().and_then(validate::check)
    }

    /// The public URL when we listen on `port`: the one that was named, else `http://localhost:PORT`, or `https://` if
    /// we end TLS.
    ///
    /// # Errors
    /// Never for a port that was bound.
    pub fn public_url_on(&self, port: u16) -> Result<PublicUrl, Problem> {
        match &self.public_url {
            Some(url) => Ok(url.clone()),
            None => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                PublicUrl::parse(&format!("{scheme}://localhost:{port}"))
                    .map_err(|error| Problem::configuration(format!("public_url {error}")))
            }
        }
    }

    /// The public URL as commands see it that bind no port.
    ///
    /// # Errors
    /// As [`public_url_on`](Self::public_url_on).
    pub fn assumed_public_url(&self) -> Result<PublicUrl, Problem> {
        self.public_url_on(self.listen.first().map_or(listen::DEFAULT_PORT, |listen| listen.address.port()))
    }

    /// The file with the name of this process, where none is set.
    #[must_use]
    pub fn node_file(&self) -> PathBuf {
        self.data_dir.join("node")
    }

    /// The folder for checkpoints of the audit trail.
    #[must_use]
    pub fn audit_folder(&self) -> PathBuf {
        self.data_dir.join("audit")
    }

    /// The folder of the built-in sandbox server.
    #[must_use]
    pub fn sandbox_folder(&self) -> PathBuf {
        self.data_dir.join("sandbox")
    }

    /// The demo is for this computer alone, whose screen shows its password.
    ///
    /// # Errors
    /// When the public URL names another host.
    pub fn check_demo(&self) -> Result<(), Problem> {
        match &self.public_url {
            Some(url) if !url.is_loopback() => Err(Problem::configuration(format!(
                "--demo is for this computer only, but public_url is {url}; leave public_url out, or start without --demo"
            ))),
            _ => match self.listen.iter().find(|listen| !listen.address.ip().is_loopback()) {
                Some(listen) => Err(Problem::configuration(format!(
                    "--demo is for this computer only, but listen names {}; listen on 127.0.0.1, ::1 or localhost, or start without --demo",
                    listen.address
                ))),
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests;
