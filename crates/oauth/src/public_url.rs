//! The one origin under which everything is published: the issuer, and the base of every resource and link.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ResourceUri;

/// Why a public URL was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// Not an absolute http or https URL.
    #[error("must be an absolute http:// or https:// URL such as https://mcp.example.com")]
    NotAbsolute,
    /// With a path, a query, a fragment or user information.
    #[error("must be a bare origin: scheme, host and, if not the default, port")]
    NotBareOrigin,
}

/// A bare origin, without a trailing slash: the literal `issuer` string (DC-13, R9207-2-2). Never re-serialised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Reads a public URL; one trailing slash, upper case and a default port are forgiven.
    ///
    /// # Errors
    /// When it is not absolute, or more than an origin (R8414-2-1).
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let uri = ResourceUri::parse(text).map_err(|_| PublicUrlError::NotAbsolute)?;
        let rest = uri.as_str().split_once("://").map(|(_, rest)| rest).ok_or(PublicUrlError::NotAbsolute)?;
        if rest.contains(['/', '?', '@']) {
            return Err(PublicUrlError::NotBareOrigin);
        }
        Ok(Self(uri.as_str().to_owned()))
    }

    /// The origin: the issuer identifier (RFC 8414 §2).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An absolute URL under this origin; `path` begins with `/`.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether the scheme is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host and port, as a `Host` header names them.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether the host is this computer: `localhost` or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let authority = self.authority();
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(text: String) -> Result<Self, PublicUrlError> {
        Self::parse(&text)
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R8414-2-1, DC-13
    #[test]
    fn the_issuer_is_a_bare_origin_without_trailing_slash() {
        for (given, kept) in [
            ("https://mcp.example.com", "https://mcp.example.com"),
            ("HTTPS://MCP.Example.com:443/", "https://mcp.example.com"),
            ("http://localhost:8420", "http://localhost:8420"),
        ] {
            assert_eq!(PublicUrl::parse(given).unwrap().as_str(), kept);
        }
        for bad in
            ["https://h/path", "https://h?x", "https://u@h", "https://h/?", "ftp://h", "mcp.example.com", ""]
        {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_told_from_names_that_only_look_so() {
        for yes in ["http://localhost:1", "http://127.0.0.1:8420", "http://127.9.9.9", "http://[::1]:8420"] {
            assert!(PublicUrl::parse(yes).unwrap().is_loopback(), "{yes}");
        }
        for no in ["http://localhost.example", "http://10.0.0.1", "https://127.0.0.1.example"] {
            assert!(!PublicUrl::parse(no).unwrap().is_loopback(), "{no}");
        }
    }
}
