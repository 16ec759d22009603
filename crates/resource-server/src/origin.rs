//! `Host` and `Origin` (HTTP25-2, T21): a web page that was tricked onto our address, or that calls from its own, gets
//! no further than here.

use std::collections::BTreeSet;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri};
use portcullis_oauth::PublicUrl;

/// Names under which a loopback listener is reached besides the configured one.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Which `Host` and `Origin` values are let in.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    hosts: BTreeSet<String>,
    origins: BTreeSet<String>,
}

impl Guard {
    /// Lets in the public URL's own authority and origin and the `allowed` origins; at a loopback public URL also the
    /// other names of this computer at the same ports.
    pub(crate) fn new(public_url: &PublicUrl, allowed: &[String], ports: &[u16]) -> Self {
        let mut hosts = BTreeSet::from([public_url.authority().to_owned()]);
        if public_url.is_loopback() {
            let own = public_url.authority().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            let default = if public_url.is_https() { 443 } else { 80 };
            for port in ports.iter().copied().chain([own.unwrap_or(default)]) {
                hosts.extend(
                    LOOPBACK.map(
                        |name| {
                            if port == default { name.to_owned() } else { format!("{name}:{port}") }
                        },
                    ),
                );
            }
        }
        let scheme = if public_url.is_https() { "https" } else { "http" };
        let mut origins: BTreeSet<_> = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        origins.extend(allowed.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()));
        Self { hosts, origins }
    }

    /// Whether the request names a host that is ours. HTTP/2 names it in the request line.
    pub(crate) fn host_is_ours(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let mut values = headers.get_all(HOST).iter();
        let named = match (values.next(), values.next()) {
            (Some(host), None) => host.to_str().ok(),
            (None, _) => uri.authority().map(axum::http::uri::Authority::as_str),
            (Some(_), Some(_)) => None,
        };
        named.is_some_and(|host| self.hosts.contains(&host.to_ascii_lowercase()))
    }

    /// Whether a request with these headers may come: without `Origin`, or with one that is let in. `null` is not.
    pub(crate) fn origin_may_come(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(ORIGIN).iter();
        match (values.next(), values.next()) {
            (None, _) => true,
            (Some(origin), None) => self.allows(origin),
            (Some(_), Some(_)) => false,
        }
    }

    /// Whether this origin is let in; CORS asks the same question (DC-17).
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.contains(&origin.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(public_url: &str) -> Guard {
        Guard::new(
            &PublicUrl::parse(public_url).unwrap(),
            &["https://inspector.example/".to_owned()],
            &[8420],
        )
    }

    fn host(guard: &Guard, name: &str) -> bool {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(name).unwrap())]);
        guard.host_is_ours(&headers, &Uri::from_static("/mcp"))
    }

    fn origin(guard: &Guard, name: &str) -> bool {
        guard.origin_may_come(&HeaderMap::from_iter([(ORIGIN, HeaderValue::from_str(name).unwrap())]))
    }

    /// T21: DNS rebinding
    #[test]
    fn on_loopback_every_name_of_this_computer_is_ours_at_our_port_alone() {
        let guard = guard("http://localhost:8420");
        for ours in ["localhost:8420", "127.0.0.1:8420", "[::1]:8420", "LOCALHOST:8420"] {
            assert!(host(&guard, ours), "{ours}");
        }
        for foreign in ["evil.example", "localhost", "localhost:9", "localhost:8420.evil.example", ""] {
            assert!(!host(&guard, foreign), "{foreign}");
        }
    }

    /// T21
    #[test]
    fn elsewhere_only_the_public_name_is_ours() {
        let guard = guard("https://mcp.example.com");
        assert!(host(&guard, "mcp.example.com"));
        assert!(!host(&guard, "localhost:8420"));
    }

    /// HTTP25-2
    #[test]
    fn an_origin_that_is_present_must_be_on_the_list_and_null_never_is() {
        let guard = guard("https://mcp.example.com");
        assert!(guard.origin_may_come(&HeaderMap::new()));
        for good in ["https://mcp.example.com", "https://inspector.example"] {
            assert!(origin(&guard, good), "{good}");
        }
        for bad in
            ["null", "http://mcp.example.com", "https://evil.example", "https://mcp.example.com.evil.example"]
        {
            assert!(!origin(&guard, bad), "{bad}");
        }
    }
}
