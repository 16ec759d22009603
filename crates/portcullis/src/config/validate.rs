//! What the settings' values may be, and the sentence about each that may not.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_authorization_server::{ClientDocuments, Registration};
use portcullis_oauth::dpop::DpopUse;
use portcullis_oauth::jose::Algorithm;
use portcullis_oauth::{PublicUrl, Seconds};
use tracing_subscriber::EnvFilter;
use url::Host;

use super::draft::Draft;
use super::listen::{DEFAULT_OPS, DEFAULT_PORT};
use super::{
    ApprovalSettings, AuditDurability, Config, DatabaseUrl, Limits, ListenAddress, LogFormat, MailSettings,
    Network, Sinks, TlsFiles, master_key,
};
use crate::Problem;

/// Who may register clients, in words.
pub(super) const REGISTRATION: [(&str, Registration); 3] =
    [("open", Registration::Open), ("token", Registration::Token), ("off", Registration::Off)];

/// What audit events wait for, in words.
pub(super) const DURABILITY: [(&str, AuditDurability); 3] = [
    ("engine", AuditDurability::Engine),
    ("strict", AuditDurability::Strict),
    ("relaxed", AuditDurability::Relaxed),
];

/// The forms of the log.
const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

/// The settings, checked and with their defaults.
pub(super) fn check(mut draft: Draft) -> Result<Config, Problem> {
    let (limits, approvals) = (Limits::check(&draft)?, ApprovalSettings::check(&draft)?);
    let (sinks, mail) = (Sinks::check(&mut draft)?, MailSettings::check(&draft)?);
    let data_dir = draft.data_dir.take().filter(|path| !path.is_empty()).unwrap_or_else(|| "data".to_owned());
    let master_key = master_key::check(&mut draft, Path::new(&data_dir))?;
    let database_url = draft
        .database_url
        .filter(|url| !url.is_empty())
        .unwrap_or_else(|| format!("sqlite:{data_dir}/portcullis.db"));
    let behind_tls_proxy = draft.behind_tls_proxy.unwrap_or_default();
    let tls = tls(draft.tls_certificate, draft.tls_key)?;
    let public_url = match draft.public_url {
        Some(text) => Some(public_url(&text, tls.is_some(), behind_tls_proxy)?),
        None => None,
    };
    let (refresh_idle, refresh_absolute) =
        refresh_lives(draft.refresh_idle_days, draft.refresh_absolute_days)?;
    let access_token = number("access_token_seconds", draft.access_token_seconds, 600, 1..=86_400)?;
    let refresh_grace = number("refresh_grace_seconds", draft.refresh_grace_seconds, 120, 0..=3_600)?;
    let registration = choice("registration", draft.registration, REGISTRATION)?;
    let documents = [ClientDocuments::Open, ClientDocuments::Ask, ClientDocuments::Off];
    let documents = documents.map(|documents| (documents.as_str(), documents));
    let outbound_seconds = number("outbound_seconds", draft.outbound_seconds, 5, 1..=60)?;
    let data_dir = PathBuf::from(data_dir);
    Ok(Config {
        master_key,
        database_url: DatabaseUrl(database_url),
        listen: listen(draft.listen)?,
        public_url,
        behind_tls_proxy,
        tls,
        trusted_proxies: networks(draft.trusted_proxies.unwrap_or_default())?,
        allowed_origins: origins(draft.allowed_origins.unwrap_or_default())?,
        access_token: Seconds(access_token),
        refresh_idle,
        refresh_absolute,
        refresh_grace: Seconds(refresh_grace),
        registration,
        limits,
        require_pushed_authorization_requests: draft.require_par.unwrap_or_default(),
        client_documents: choice("client_documents", draft.client_documents, documents)?,
        private_hosts: hosts(draft.private_hosts.unwrap_or_default())?,
        outbound_time: Duration::from_secs(outbound_seconds.unsigned_abs()),
        signing_algorithm: algorithm(draft.signing_algorithm)?,
        openid: choice("openid", draft.openid, [("off", false), ("on", true)])?,
        dpop: choice("dpop", draft.dpop, DpopUse::ALL.map(|dpop| (dpop.as_str(), dpop)))?,
        dpop_nonces: draft.dpop_nonces.unwrap_or(true),
        approvals,
        mail,
        node: node(draft.node)?,
        audit_kept: Seconds::days(number("audit_days", draft.audit_days, 90, 1..=3_650)?),
        audit_durability: choice("audit_durability", draft.audit_durability, DURABILITY)?,
        audit_redact: words(draft.audit_redact.unwrap_or_default())?,
        sinks,
        ops_listen: ops_listen(draft.ops_listen)?,
        log: filter(draft.log)?,
        log_format: choice("log_format", draft.log_format, FORMATS)?,
        data_dir,
    })
}

/// How long refresh tokens live: unused, and in any case.
fn refresh_lives(idle: Option<i64>, absolute: Option<i64>) -> Result<(Seconds, Seconds), Problem> {
    let idle = number("refresh_idle_days", idle, 30, 1..=3_650)?;
    let absolute = number("refresh_absolute_days", absolute, 90, 1..=3_650)?;
    if absolute < idle {
        return refused("refresh_absolute_days must not be less than refresh_idle_days");
    }
    Ok((Seconds::days(idle), Seconds::days(absolute)))
}

pub(super) fn refused<T>(sentence: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::configuration(sentence))
}

pub(super) fn number(
    name: &str,
    given: Option<i64>,
    default: i64,
    range: RangeInclusive<i64>,
) -> Result<i64, Problem> {
    let value = given.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    refused(format!("{name} must be between {} and {}, not {value}", range.start(), range.end()))
}

/// One of some words; the first is the default.
pub(super) fn choice<T: Copy, const N: usize>(
    name: &str,
    given: Option<String>,
    words: [(&str, T); N],
) -> Result<T, Problem> {
    let given = given.unwrap_or_else(|| words[0].0.to_owned());
    match words.iter().find(|(word, _)| *word == given) {
        Some((_, value)) => Ok(*value),
        None => {
            let words = words.map(|(word, _)| word);
            let (last, others) = words.split_last().unwrap_or((&"", &[]));
            refused(format!("{name} must be {} or {last}, not {given}", others.join(", ")))
        }
    }
}

fn algorithm(given: Option<String>) -> Result<Algorithm, Problem> {
    let Some(given) = given else { return Ok(Algorithm::ALL[0]) };
    match Algorithm::parse(&given) {
        Some(algorithm) => Ok(algorithm),
        None => refused(format!("signing_algorithm must be ES256, EdDSA or RS256, not {given}")),
    }
}

fn listen(given: Option<Vec<String>>) -> Result<Vec<ListenAddress>, Problem> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Ok(ListenAddress::localhost(DEFAULT_PORT).to_vec());
    };
    let mut addresses: Vec<ListenAddress> = Vec::new();
    for text in given {
        let Some(parsed) = ListenAddress::parse(&text) else {
            return refused(format!(
                "cannot listen on {text}: write an address and a port, such as 127.0.0.1:8420, [::1]:8420 or localhost:8420"
            ));
        };
        // Port 0 asks for any free port, so two of them are two addresses.
        let is_new = |new: &ListenAddress| {
            new.address.port() == 0 || addresses.iter().all(|known| known.address != new.address)
        };
        let new: Vec<_> = parsed.into_iter().filter(is_new).collect();
        addresses.extend(new);
    }
    Ok(addresses)
}

/// The default may be left out where it is taken: another server of ours on this machine has it.
fn ops_listen(given: Option<String>) -> Result<Vec<ListenAddress>, Problem> {
    let given = given.filter(|text| !text.is_empty());
    match given.as_deref() {
        None => Ok(vec![ListenAddress { address: DEFAULT_OPS, optional: true }]),
        Some("off") => Ok(Vec::new()),
        Some(text) => ListenAddress::parse(text).map_or_else(
            || {
                refused(format!(
                    "ops_listen must be an address and a port, such as 127.0.0.1:8421, or off, not {text}"
                ))
            },
            Ok,
        ),
    }
}

fn tls(certificate: Option<String>, key: Option<String>) -> Result<Option<TlsFiles>, Problem> {
    let given = |path: &String| !path.is_empty();
    match (certificate.filter(given), key.filter(given)) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() }))
        }
        (Some(_), None) => {
            refused("tls_certificate needs tls_key: the PEM file with the certificate's private key")
        }
        (None, Some(_)) => refused("tls_key needs tls_certificate: the PEM file with the key's certificate"),
    }
}

/// The issuer is an https origin, except on this computer (R8414-2-1, OA21-1.5-1); and https needs somebody who speaks
/// it.
fn public_url(text: &str, is_tls_ours: bool, behind_tls_proxy: bool) -> Result<PublicUrl, Problem> {
    let url = PublicUrl::parse(text)
        .map_err(|error| Problem::configuration(format!("public_url {error}, not {text}")))?;
    if url.is_https() && !is_tls_ours && !behind_tls_proxy {
        return refused(format!(
            "public_url is {url}, but nothing here speaks TLS: name tls_certificate and tls_key, or put a proxy that ends TLS in front, and say so with behind_tls_proxy = true"
        ));
    }
    if !url.is_https() && is_tls_ours {
        return refused(format!(
            "public_url is {url}, but with tls_certificate Portcullis speaks https only: write https:// there, or leave tls_certificate and tls_key out"
        ));
    }
    if !url.is_https() && !url.is_loopback() {
        return refused(format!(
            "public_url is {url}, but plain http is for this computer only: publish it under https://, with tls_certificate and tls_key, or behind a proxy that ends TLS and with behind_tls_proxy = true"
        ));
    }
    Ok(url)
}

fn networks(given: Vec<String>) -> Result<Vec<Network>, Problem> {
    let network = |text: String| match Network::parse(&text) {
        Some(network) => Ok(network),
        None => refused(format!(
            "each of trusted_proxies must be an address or a network, such as 192.0.2.7, 10.0.0.0/8 or fd00::/8, not {text}"
        )),
    };
    given.into_iter().map(network).collect()
}

fn origins(given: Vec<String>) -> Result<Vec<String>, Problem> {
    let origin = |text: String| match PublicUrl::parse(&text) {
        Ok(origin) => Ok(origin.into()),
        Err(error) => refused(format!("each of allowed_origins {error}, not {text}")),
    };
    given.into_iter().map(origin).collect()
}

/// Hosts as a URL has them; the port is free.
fn hosts(given: Vec<String>) -> Result<Vec<String>, Problem> {
    let host = |text: String| match Host::parse(&text) {
        Ok(host) if !text.ends_with('.') && host.to_string() == text => Ok(text),
        _ => refused(format!(
            "each of private_hosts must be a host in lower case, such as tools.internal or 10.0.0.7, not {text}"
        )),
    };
    given.into_iter().map(host).collect()
}

fn node(given: Option<String>) -> Result<Option<String>, Problem> {
    let Some(name) = given.filter(|name| !name.is_empty()) else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() <= 64 && name.chars().all(plain) {
        return Ok(Some(name));
    }
    refused(format!("node must be at most 64 letters, digits, dots, dashes and underscores, not {name}"))
}

/// An empty word would be in every name.
fn words(given: Vec<String>) -> Result<Vec<String>, Problem> {
    match given.iter().find(|word| word.trim().len() < 2) {
        None => Ok(given),
        Some(word) => {
            refused(format!("each of audit_redact must be a word of at least two letters, not {word:?}"))
        }
    }
}

fn filter(given: Option<String>) -> Result<String, Problem> {
    let log = given.unwrap_or_else(|| "info".to_owned());
    match EnvFilter::try_new(&log) {
        Ok(_) => Ok(log),
        Err(_) => refused(format!(
            "log must be error, warn, info, debug, trace or a filter such as info,portcullis=debug, not {log}"
        )),
    }
}
