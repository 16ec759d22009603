//! A URL that somebody else's server names: what may be called, and where a browser may be sent.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use crate::ResourceUri;

/// Why a URL was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteUrlError {
    /// Neither https nor, for a deployment on this computer, http to this computer (T09, SBP-8).
    #[error("is not an https URL")]
    Scheme,
    /// With user information, a fragment, control characters, or a host that is not in its plain spelling.
    #[error("is not a plain absolute URL")]
    Spelling,
}

/// An https URL in its plain spelling, kept byte for byte and compared as a string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteUrl(String);

impl RemoteUrl {
    /// Reads a URL. `loopback`: whether http to this computer is taken too, which is for a deployment that is published
    /// nowhere else.
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn parse(text: &str, loopback: bool) -> Result<Self, RemoteUrlError> {
        let scheme = text.split(':').next().unwrap_or_default();
        if !["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(RemoteUrlError::Scheme);
        }
        let canonical = ResourceUri::parse(text).map_err(|_| RemoteUrlError::Spelling)?;
        let url = Url::parse(text).map_err(|_| RemoteUrlError::Spelling)?;
        // A host that a parser would rewrite is shown as one thing and called as another.
        let host = url.host_str().ok_or(RemoteUrlError::Spelling)?;
        let is_plain = canonical.authority().strip_prefix(host).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        });
        if !is_plain || host.ends_with('.') {
            return Err(RemoteUrlError::Spelling);
        }
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match url.scheme() {
            "https" => Ok(Self(text.to_owned())),
            "http" if loopback && is_here => Ok(Self(text.to_owned())),
            _ => Err(RemoteUrlError::Scheme),
        }
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 22 characters that tell this URL from any other, for a path of our own (132 bits of its SHA-256).
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()));
        digest.truncate(22);
        digest
    }

    /// Scheme, host and port, in their canonical spelling.
    #[must_use]
    pub fn origin(&self) -> String {
        ResourceUri::parse(&self.0).map_or_else(|_| self.0.clone(), |uri| uri.origin().to_owned())
    }

    /// Path and query as they are written: empty, or beginning with `/` or `?`.
    #[must_use]
    pub fn path(&self) -> &str {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        self.0[authority..].find(['/', '?']).map_or("", |at| &self.0[authority + at..])
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// T09, A59, SBP-8: nothing that a browser or a shell would run, and no http but to this computer
    #[test]
    fn only_plain_https_is_called_or_opened() {
        for good in
            ["https://h.example", "https://h.example/", "https://h.example:8443/a?b=c", "HTTPS://H.Example/x"]
        {
            assert!(RemoteUrl::parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "javascript:alert(1)//https://h",
            "data:text/html,x",
            "file:///etc/passwd",
            "ms-settings:x",
            "$(calc)",
            "http://h.example/",
            "http://localhost/",
            "",
        ] {
            assert_eq!(RemoteUrl::parse(bad, false), Err(RemoteUrlError::Scheme), "{bad}");
        }
        for bad in [
            "https://u@h.example/",
            "https://h.example/#f",
            "https://h.example/a b",
            "https://h.example/\n",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://%68.example/",
            "https://h.example./",
            "https:h.example/x",
            "https:///x",
            "https://h\\@i.example/",
            "https://h.example/\"",
        ] {
            assert_eq!(RemoteUrl::parse(bad, false), Err(RemoteUrlError::Spelling), "{bad}");
        }
        assert!(RemoteUrl::parse("http://127.0.0.1:9/x", true).is_ok());
        for bad in ["http://10.0.0.1/", "http://localhost.example/", "http://127.0.0.2/"] {
            assert_eq!(RemoteUrl::parse(bad, true), Err(RemoteUrlError::Scheme), "{bad}");
        }
    }

    proptest! {
        /// T09: whatever text comes, what is taken is https to a host that stands there as it is
        #[test]
        fn what_is_taken_is_https(text in "([a-z]{2,10}:|https://)?\\PC{0,40}") {
            if let Ok(url) = RemoteUrl::parse(&text, false) {
                prop_assert!(text.to_ascii_lowercase().starts_with("https://"));
                prop_assert!(Url::parse(url.as_str()).is_ok_and(|parsed| parsed.scheme() == "https"));
                prop_assert!(url.origin().starts_with("https://"));
            }
        }
    }
}
