//! Redirect URIs: what may be registered, what matches, and the proof that a redirect is allowed.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

/// Why a redirect URI was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Relative, with white space or control characters, or longer than 2,000 characters.
    #[error("a redirect URI is an absolute URI of at most 2000 printable ASCII characters")]
    NotAbsolute,
    /// OA21-2.3-1.
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// `user@host`.
    #[error("a redirect URI has no user information")]
    UserInformation,
    /// R9700-2.6-1.
    #[error("http is for loopback redirect URIs only (localhost, 127.0.0.1, [::1])")]
    PlainHttp,
    /// Upper case in the scheme, or an encoded host: two spellings of one thing would be judged and shown differently.
    #[error("write the scheme in lower case and the host without percent-encoding")]
    Spelling,
    /// DC-9.
    #[error(
        "this scheme is not allowed: use https, a loopback http URI, or a private-use scheme in reverse-DNS form"
    )]
    Scheme,
    /// OA21-2.3.2-1.
    #[error("redirect_uri is required, since the client registered several")]
    Missing,
    /// OA21-2.3.1-1.
    #[error("redirect_uri is not one that the client registered")]
    NotRegistered,
}

/// Private-use schemes without a period that a known client needs, as whole URIs (DC-9).
const EXCEPTIONS: [&str; 1] = ["cursor://anysphere.cursor-mcp/oauth/callback"];
/// Schemes that a browser runs or reads instead of visiting (A05).
const DENIED_SCHEMES: [&str; 9] =
    ["javascript", "data", "file", "vbscript", "blob", "about", "view-source", "filesystem", "intent"];

/// A redirect URI that may be registered. Kept byte for byte; compared as a string.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// An http redirect to this computer, split where the free port stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback<'a> {
    /// `localhost`, `127.0.0.1` or `[::1]`: never interchangeable (DC-7).
    pub host: &'a str,
    /// The port, if the URI names one.
    pub port: Option<u16>,
    /// Path and query, `/` for an empty one (DC-8).
    pub path: &'a str,
}

impl RedirectUri {
    /// Reads a URI that a client or an admin wants to register (OA21-2.3-1, DC-9, R9700-2.6-1).
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        if text.len() > 2_000
            || !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e))
            || text.contains(['"', '<', '>', '\\'])
        {
            return Err(RedirectUriError::NotAbsolute);
        }
        if text.contains('#') {
            return Err(RedirectUriError::Fragment);
        }
        let (scheme, rest) = text.split_once(':').ok_or(RedirectUriError::NotAbsolute)?;
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme_ok {
            return Err(RedirectUriError::NotAbsolute);
        }
        if authority(rest).is_some_and(|authority| authority.contains('@')) {
            return Err(RedirectUriError::UserInformation);
        }
        check_scheme(text, scheme, rest).map(|()| Self(text.to_owned()))
    }

    /// The URI as registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The loopback parts, if this is an http URI of this computer.
    #[must_use]
    pub fn loopback(&self) -> Option<Loopback<'_>> {
        loopback(&self.0)
    }

    /// Whether an app on the user's device receives the answer: loopback or a private-use scheme (DC-10).
    #[must_use]
    pub fn is_native(&self) -> bool {
        !self.0.starts_with("https://")
    }

    /// Whether a request's `redirect_uri` is this one: the exact string, or for loopback another port (OA21-2.3.1-1,
    /// OA21-8.4.2-1) and `/` for an empty path (DC-8).
    #[must_use]
    pub fn matches(&self, requested: &str) -> bool {
        if self.0 == requested {
            return true;
        }
        match (loopback(&self.0), loopback(requested)) {
            (Some(ours), Some(theirs)) => ours.host == theirs.host && ours.path == theirs.path,
            _ => false,
        }
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn authority(rest: &str) -> Option<&str> {
    rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default())
}

fn check_scheme(text: &str, scheme: &str, rest: &str) -> Result<(), RedirectUriError> {
    let lower = scheme.to_ascii_lowercase();
    let host = authority(rest).unwrap_or_default();
    if DENIED_SCHEMES.contains(&lower.as_str()) {
        return Err(RedirectUriError::Scheme);
    }
    if lower != scheme || host.contains('%') {
        return Err(RedirectUriError::Spelling);
    }
    match lower.as_str() {
        "https" if host_is_plain(text, host) => Ok(()),
        "https" => Err(RedirectUriError::NotAbsolute),
        "http" if loopback(text).is_some() => Ok(()),
        "http" => Err(RedirectUriError::PlainHttp),
        private if private.contains('.') || EXCEPTIONS.contains(&text) => Ok(()),
        _ => Err(RedirectUriError::Scheme),
    }
}

/// Whether a URL parser, as a browser has one, sees the very host that we would show to a person (MCP-AUTH-24).
fn host_is_plain(text: &str, authority: &str) -> bool {
    let seen = Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    let shown = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    seen.is_some_and(|seen| seen.eq_ignore_ascii_case(shown))
}

fn loopback(text: &str) -> Option<Loopback<'_>> {
    let rest = text.strip_prefix("http://")?;
    let host = ["localhost", "127.0.0.1", "[::1]"].into_iter().find(|host| rest.starts_with(host))?;
    let after = &rest[host.len()..];
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (port, path) = after.split_at(end);
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    if path.contains('#') {
        return None;
    }
    Some(Loopback { host, port, path: if path.is_empty() { "/" } else { path } })
}

/// A redirect URI that was proven to belong to the client. Before it exists an error is a page; after it an error is a
/// redirect (OA21-4.1.2.1-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(RedirectUri);

impl Destination {
    /// Proves a request's `redirect_uri` against the registered ones. Absent is allowed when exactly one is registered
    /// (OA21-2.3.2-1).
    ///
    /// # Errors
    /// When it is missing though several are registered, or is none of them.
    pub fn prove(registered: &[RedirectUri], requested: Option<&str>) -> Result<Self, RedirectUriError> {
        match (requested, registered) {
            (None, [only]) => Ok(Self(only.clone())),
            (None, _) => Err(RedirectUriError::Missing),
            (Some(uri), _) if registered.iter().any(|candidate| candidate.matches(uri)) => {
                // A loopback URI that only resembles a registered one passes the rules of registration too.
                RedirectUri::parse(uri).map(Self)
            }
            (Some(_), _) => Err(RedirectUriError::NotRegistered),
        }
    }

    /// The URI itself.
    #[must_use]
    pub fn uri(&self) -> &RedirectUri {
        &self.0
    }

    /// The host that receives the answer, with its port; for a private-use scheme the scheme.
    #[must_use]
    pub fn host(&self) -> &str {
        let (scheme, rest) = self.0.as_str().split_once(':').unwrap_or((self.0.as_str(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => authority(rest).unwrap_or(scheme),
            _ => scheme,
        }
    }

    /// The `Location` of an authorization response: the parameters are appended to the query that the URI already has
    /// (OA21-2.3-2). For http and https it ends in a fragment of our own, so that a browser carries no older one
    /// along (A07, R9700-4.1.3-1).
    #[must_use]
    pub fn location(&self, parameters: &[(&str, &str)]) -> String {
        let uri = self.0.as_str();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let joint = match uri.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        let fragment =
            if uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")) { "#_" } else { "" };
        format!("{uri}{joint}{query}{fragment}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn registered(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap()
    }

    /// OA21-2.3-1, OA21-2.3.1-2, R9700-2.6-1, MCP-AUTH-23, DC-9, A05
    #[test]
    fn what_may_be_registered() {
        for good in [
            "https://app.example/cb?x=1",
            "https://app.example:8443/cb",
            "https://[2001:db8::1]:8443/cb",
            "http://localhost/callback",
            "http://127.0.0.1:33418/",
            "http://[::1]:9/cb",
            "com.example.app:/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ] {
            assert!(RedirectUri::parse(good).is_ok(), "{good}");
        }
        for (bad, error) in [
            ("/cb", RedirectUriError::NotAbsolute),
            ("https:///cb", RedirectUriError::NotAbsolute),
            ("https://[::1/cb", RedirectUriError::NotAbsolute),
            ("https://h:99999/cb", RedirectUriError::NotAbsolute),
            ("https://h^x/cb", RedirectUriError::NotAbsolute),
            ("https://0x7f.1/cb", RedirectUriError::NotAbsolute),
            ("https://a.example/cb#x", RedirectUriError::Fragment),
            ("https://u@a.example/cb", RedirectUriError::UserInformation),
            ("http://app.example/cb", RedirectUriError::PlainHttp),
            ("http://localhost.evil.example/cb", RedirectUriError::PlainHttp),
            ("http://127.0.0.1.evil.example/cb", RedirectUriError::PlainHttp),
            ("myapp:/cb", RedirectUriError::Scheme),
            ("cursor://anysphere.cursor-mcp/other", RedirectUriError::Scheme),
            ("HTTPS://com.vendor.app.evil.example/cb", RedirectUriError::Spelling),
            ("https://%65vil.example/cb", RedirectUriError::Spelling),
            ("JavaScript:alert(1)", RedirectUriError::Scheme),
            ("data:text/html,x", RedirectUriError::Scheme),
            ("\tjavascript:alert(1)", RedirectUriError::NotAbsolute),
            ("java\nscript:alert(1)", RedirectUriError::NotAbsolute),
        ] {
            assert_eq!(RedirectUri::parse(bad), Err(error), "{bad}");
        }
    }

    /// OA21-2.3.1-1, A01, A03, A04
    #[test]
    fn matching_is_by_exact_string() {
        let ours = registered("https://app.example/cb");
        assert!(ours.matches("https://app.example/cb"));
        for other in [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://app.example/%63b",
            "https://app.example/cb?x",
            "https://sub.app.example/cb",
            "https://u@app.example/cb",
            "https://app.example/a/../cb",
            "https://app.example./cb",
            "https://appaexample/cb",
            "https://app.example:443/cb",
            "HTTPS://app.example/cb",
        ] {
            assert!(!ours.matches(other), "{other}");
        }
    }

    /// OA21-8.4.2-1, A02, A12, DC-7, DC-8
    #[test]
    fn for_loopback_only_the_port_is_free() {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let ours = registered(&format!("http://{host}/cb"));
            assert!(ours.matches(&format!("http://{host}:51004/cb")));
            for other in ["/cb2", "/cb?x", "/cb/", "/CB", ""] {
                assert!(!ours.matches(&format!("http://{host}:51004{other}")), "{host}{other}");
            }
            assert!(!ours.matches(&format!("https://{host}:51004/cb")));
            assert!(!ours.matches(&format!("http://u@{host}:51004/cb")));
            assert!(!ours.matches(&format!("http://{host}:51004/cb#f")));
        }
        assert!(!registered("http://localhost/cb").matches("http://127.0.0.1/cb"));
        assert!(!registered("http://localhost/cb").matches("https://127.0.0.1/cb"));
        assert!(registered("http://127.0.0.1").matches("http://127.0.0.1:8/"));
    }

    /// OA21-2.3.2-1, OA21-2.3-2, A07, R9700-4.1.3-1
    #[test]
    fn a_destination_is_proven_and_keeps_its_query() {
        let one = [registered("https://a.example/cb?x=1")];
        let destination = Destination::prove(&one, None).unwrap();
        assert_eq!(
            destination.location(&[("code", "c"), ("state", "a b+%é&=")]),
            "https://a.example/cb?x=1&code=c&state=a+b%2B%25%C3%A9%26%3D#_"
        );
        assert_eq!(destination.host(), "a.example");
        let two = [one[0].clone(), registered("https://b.example/cb")];
        assert_eq!(Destination::prove(&two, None), Err(RedirectUriError::Missing));
        assert_eq!(Destination::prove(&[], Some("https://a.example/")), Err(RedirectUriError::NotRegistered));
    }

    proptest! {
        /// Against an independent oracle: a URL parser may only see what matches as equal but for the port.
        #[test]
        fn what_matches_differs_in_nothing_but_a_loopback_port(
            registered_uri in "http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]{1,4})?(/[a-z%.@]{0,6})?",
            requested in "http://(localhost|127\\.0\\.0\\.1|\\[::1\\]|evil)(:[0-9]{1,5}|@evil)?(/[a-z%.@]{0,6})?[?#]?",
        ) {
            if let Ok(ours) = RedirectUri::parse(&registered_uri)
                && ours.matches(&requested)
            {
                let (mut left, mut right) = (Url::parse(ours.as_str()).unwrap(), Url::parse(&requested).unwrap());
                left.set_port(None).unwrap();
                right.set_port(None).unwrap();
                prop_assert_eq!(left, right);
            }
        }

        /// OA21-8.4.2-1, DC-7, DC-8, A02, A12: a loopback URI matches at every port, and nothing else of it may differ
        #[test]
        fn a_loopback_uri_matches_at_every_port_and_nowhere_else(
            (host, path) in (0..3_usize, 0..8_usize),
            (other_host, other_path) in (0..3_usize, 0..8_usize),
            (port, other_port) in (prop::option::of(1..u16::MAX), prop::option::of(1..u16::MAX)),
        ) {
            let hosts = ["localhost", "127.0.0.1", "[::1]"];
            let paths = ["", "/", "/cb", "/cb/", "/CB", "/c%62", "/cb?x=1", "/cb?"];
            let uri = |host: usize, port: Option<u16>, path: usize| {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("http://{}{port}{}", hosts[host], paths[path])
            };
            let registered = RedirectUri::parse(&uri(host, port, path)).unwrap();
            // The first two are the same path.
            let same = host == other_host && (path == other_path || path.max(other_path) == 1);
            prop_assert_eq!(registered.matches(&uri(other_host, other_port, other_path)), same);
        }
    }
}
