//! What strangers can reach: https, the certificate, proxies, origins, registration, the life of tokens.

use portcullis_authorization_server::{ClientDocuments, Registration};
use portcullis_oauth::{Clock, Seconds, SystemClock};

use super::Finding;
use crate::config::{Config, TlsFiles};
use crate::serve::files;
use crate::tls::{self, Validity};

/// A certificate that ends within this time should have been renewed.
const RENEWAL: Seconds = Seconds::days(14);
/// An access token that lives longer outlives a revocation that other servers may not hear of.
const LONG_ACCESS: Seconds = Seconds(3_600);
/// A client that was not asked about for longer has been forgotten.
const LONG_GRANT: Seconds = Seconds::days(180);

/// More tries from one address than an office makes.
const MANY_SIGN_INS: u32 = 3_000;

/// Every point about it.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = vec![https(config)];
    findings.extend(config.tls.as_ref().map(certificate));
    findings.extend([
        client_addresses(config),
        origins(config),
        registration(config),
        documents(config),
        token_lives(config),
        limits(config),
        connections(config),
    ]);
    findings
}

/// OA21-1.5-1
fn https(config: &Config) -> Finding {
    const CHECK: &str = "https";
    const PUBLISH: &str = "set public_url to an https:// origin, with tls_certificate and tls_key, or with behind_tls_proxy = true behind a proxy that ends TLS";
    let url = config.assumed_public_url().map(|url| (url.is_https(), url.to_string()));
    let open = config.listen.iter().find(|listen| !listen.address.ip().is_loopback());
    match (url, config.tls.is_some(), open) {
        (Err(problem), ..) => Finding::fail(CHECK, problem.to_string(), PUBLISH),
        (Ok((true, url)), true, _) => Finding::ok(CHECK, format!("{url}; TLS ends here")),
        (Ok((true, url)), false, Some(open)) => Finding::warn(
            CHECK,
            format!(
                "{url}; TLS ends in a proxy, and {} takes plain http from whoever reaches it",
                open.address
            ),
            "see to it that nobody but the proxy can reach that address",
        ),
        (Ok((true, url)), false, None) => {
            Finding::ok(CHECK, format!("{url}; TLS ends in a proxy on this machine"))
        }
        (Ok((false, url)), _, Some(open)) => Finding::fail(
            CHECK,
            format!("{url} is plain http, and {} takes it from other machines", open.address),
            PUBLISH,
        ),
        (Ok((false, url)), _, None) => {
            Finding::warn(CHECK, format!("{url} is plain http, for this computer only"), PUBLISH)
        }
    }
}

fn certificate(files: &TlsFiles) -> Finding {
    const CHECK: &str = "certificate";
    const RENEW: &str = "renew it, and start again";
    let path = files.certificate.display();
    let own = match tls::server_config(files).and_then(|_| tls::certificates(&files.certificate)) {
        Ok(chain) => chain.into_iter().next(),
        Err(problem) => return Finding::fail(CHECK, problem.to_string(), "name files that can be used"),
    };
    let now = SystemClock.now();
    let judge = |at| own.as_ref().map_or(Validity::Valid, |own| tls::validity(own, at));
    match (judge(now), judge(now.plus(RENEWAL))) {
        (Validity::Expired, _) => Finding::fail(CHECK, format!("{path} has expired"), RENEW),
        (Validity::NotYet, _) => {
            Finding::fail(CHECK, format!("{path} is not valid yet"), "check this machine's clock")
        }
        (Validity::Valid, Validity::Expired) => {
            Finding::warn(CHECK, format!("{path} expires within two weeks"), RENEW)
        }
        _ => Finding::ok(CHECK, format!("{path} and its key can be used")),
    }
}

/// Limits are kept by client address, so they are as good as the address is (A52, R9700-4.13-1).
fn client_addresses(config: &Config) -> Finding {
    const CHECK: &str = "client addresses";
    let proxies: Vec<String> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    if let Some(everybody) = config.trusted_proxies.iter().find(|network| network.is_everybody()) {
        Finding::fail(
            CHECK,
            format!("trusted_proxies has {everybody}, so everybody chooses the address that limits see"),
            "list the addresses of your proxies and nothing else",
        )
    } else if proxies.is_empty() && config.behind_tls_proxy {
        Finding::warn(
            CHECK,
            "behind a proxy that is not in trusted_proxies, every client has the proxy's address, so limits hit all of them at once",
            "list the proxy's address in trusted_proxies, and let it set X-Forwarded-For",
        )
    } else if proxies.is_empty() {
        Finding::ok(CHECK, "limits see the address of each connection")
    } else {
        Finding::ok(CHECK, format!("X-Forwarded-For is believed from {} only", proxies.join(", ")))
    }
}

fn origins(config: &Config) -> Finding {
    const CHECK: &str = "allowed origins";
    let is_plain = |origin: &&String| {
        let host = origin.strip_prefix("http://");
        host.is_some_and(|host| !["localhost", "127.", "[::1]"].iter().any(|own| host.starts_with(own)))
    };
    if let Some(plain) = config.allowed_origins.iter().find(is_plain) {
        return Finding::fail(
            CHECK,
            format!("{plain} is plain http: whoever is on the way can act as that application"),
            "list it with https://, or take it out of allowed_origins",
        );
    }
    match config.allowed_origins.as_slice() {
        [] => Finding::ok(CHECK, "no browser application of another origin may call /mcp"),
        listed => Finding::ok(CHECK, format!("{} may call /mcp from browsers", listed.join(", "))),
    }
}

fn registration(config: &Config) -> Finding {
    Finding::ok(
        "registration",
        match config.registration {
            Registration::Open => {
                "clients may register themselves; people still consent to each (registration = \"token\" or \"off\" closes it)"
            }
            Registration::Token => {
                "clients register with an initial access token (`portcullis client invite`)"
            }
            Registration::Off => "only admins register clients",
        },
    )
}

fn documents(config: &Config) -> Finding {
    const CHECK: &str = "client documents";
    match (config.client_documents, &config.private_hosts[..]) {
        (ClientDocuments::Off, _) => Finding::ok(CHECK, "no client is known by a document of its own"),
        (documents, hosts) => {
            let who = match documents {
                ClientDocuments::Ask => "an admin allows each client that names itself by a document",
                _ => {
                    "clients may name themselves by a document at an https address; people still consent to each (client_documents = \"ask\" asks an admin first)"
                }
            };
            let hosts = hosts.join(", ");
            let private = if hosts.is_empty() {
                String::new()
            } else {
                format!("; private addresses count at {hosts}")
            };
            Finding::ok(CHECK, format!("{who}{private}"))
        }
    }
}

/// A limit that nobody reaches slows nobody down, and one that everybody reaches is an outage (ASVS-6.3.1, TOOL-10).
fn limits(config: &Config) -> Finding {
    const CHECK: &str = "limits";
    let limits = &config.limits;
    let found = format!(
        "a minute: {} registrations, {} authorizations and {} sign-ins an address; {} calls, {} lists and {} calls of a tool a user",
        limits.registrations_per_minute,
        limits.authorizations_per_minute,
        limits.sign_ins_per_minute,
        limits.user_calls_per_minute,
        limits.user_lists_per_minute,
        limits.user_tool_calls_per_minute
    );
    if limits.sign_ins_per_minute > MANY_SIGN_INS {
        let advice = format!(
            "set sign_ins_per_minute to {MANY_SIGN_INS} or less: guessing is slow only if it is slowed"
        );
        return Finding::warn(CHECK, found, advice);
    }
    if limits.user_tool_calls_per_minute > limits.user_calls_per_minute {
        let advice = "set user_tool_calls_per_minute below user_calls_per_minute, or it is never reached";
        return Finding::warn(CHECK, found, advice);
    }
    Finding::ok(CHECK, found)
}

/// Each connection is an open file, and a server that has none left answers nobody.
fn connections(config: &Config) -> Finding {
    const CHECK: &str = "connections";
    let wanted = config.limits.max_connections;
    let room = files::most_connections(wanted);
    if room < wanted {
        return Finding::warn(
            CHECK,
            format!("{wanted} at once, but the limit of open files leaves room for {room}"),
            "raise the limit of open files where Portcullis is started (ulimit -n, LimitNOFILE=), or lower max_connections",
        );
    }
    Finding::ok(CHECK, format!("{wanted} at once, half of them for one address that is no proxy's"))
}

fn token_lives(config: &Config) -> Finding {
    const CHECK: &str = "token lives";
    let found = format!(
        "access {} s, refresh {} days, at most {} days",
        config.access_token.0,
        config.refresh_idle.0 / Seconds::days(1).0,
        config.refresh_absolute.0 / Seconds::days(1).0
    );
    if config.access_token > LONG_ACCESS {
        return Finding::warn(
            CHECK,
            found,
            "set access_token_seconds to 3600 or less: clients refresh by themselves",
        );
    }
    if config.refresh_absolute > LONG_GRANT {
        return Finding::warn(
            CHECK,
            found,
            "set refresh_absolute_days to 180 or less, so that people are asked again",
        );
    }
    Finding::ok(CHECK, found)
}
