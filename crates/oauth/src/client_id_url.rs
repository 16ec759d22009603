//! A `client_id` that is the URL of a document about the client (Client ID Metadata Documents §3).

use std::fmt;

use url::Url;

use crate::ClientId;

/// Why a `client_id` is no URL of a document (CIMD-3-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdUrlError {
    /// Longer than 500 characters.
    #[error("a client_id URL has at most 500 characters")]
    TooLong,
    /// Neither https nor, in development, http to this computer.
    #[error("a client_id URL begins with https://")]
    NotHttps,
    /// With a fragment.
    #[error("a client_id URL has no fragment")]
    Fragment,
    /// `user@host`.
    #[error("a client_id URL has no user information")]
    UserInformation,
    /// Not in the one form in which every parser sees the same: dot segments, upper case in the host, an encoded host, a
    /// default port, no path.
    #[error("write a client_id URL in its normal form, with a path and without dot segments")]
    Spelling,
}

/// A `client_id` URL. Kept byte for byte; compared as a string (CIMD-4.1-1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientIdUrl(String);

impl ClientIdUrl {
    /// Whether a `client_id` means to be a URL. Identifiers that we give never look so (CIMD-6.9-1).
    #[must_use]
    pub fn is_meant_by(client_id: &str) -> bool {
        let starts = |scheme: &str| {
            client_id.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        starts("https:") || starts("http:")
    }

    /// Reads a `client_id` URL (CIMD-3-1). `loopback`: whether http to this computer is taken too, which is for a server
    /// that is published nowhere else (CIMD-6.5-1).
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn parse(text: &str, loopback: bool) -> Result<Self, ClientIdUrlError> {
        if text.len() > 500 {
            return Err(ClientIdUrlError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| ClientIdUrlError::Spelling)?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => {}
            "http" if loopback && is_here => {}
            _ => return Err(ClientIdUrlError::NotHttps),
        }
        if url.fragment().is_some() {
            return Err(ClientIdUrlError::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ClientIdUrlError::UserInformation);
        }
        // What a parser would rewrite is refused: one client has one name, and what people are shown is what is read.
        if url.as_str() != text || url.host_str().is_none_or(|host| host.ends_with('.')) {
            return Err(ClientIdUrlError::Spelling);
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as a client's identifier.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        ClientId::from(self.0.clone())
    }

    /// Host and, if it is not the default, port: who vouches for the document (CIMD-6.4-1). In ASCII form.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }
}

impl fmt::Display for ClientIdUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// CIMD-3-1, A32, A29
    #[test]
    fn what_may_be_a_client_id_url() {
        for (good, host) in [
            ("https://client.example/id.json", "client.example"),
            ("https://client.example/", "client.example"),
            ("https://client.example:8443/a/b?v=1", "client.example:8443"),
            ("https://xn--bcher-kva.example/x", "xn--bcher-kva.example"),
            ("https://[2606:4700::1]/x", "[2606:4700::1]"),
        ] {
            assert_eq!(ClientIdUrl::parse(good, false).as_ref().map(ClientIdUrl::host), Ok(host), "{good}");
        }
        for (bad, error) in [
            ("https://h", ClientIdUrlError::Spelling),
            ("https://u@h/x", ClientIdUrlError::UserInformation),
            ("https://u:p@h/x", ClientIdUrlError::UserInformation),
            ("https://h/x#f", ClientIdUrlError::Fragment),
            ("https://h/x#", ClientIdUrlError::Fragment),
            ("https://h/a/../b", ClientIdUrlError::Spelling),
            ("https://h/./b", ClientIdUrlError::Spelling),
            ("https://h/a/%2e%2E/b", ClientIdUrlError::Spelling),
            ("https://H.example/x", ClientIdUrlError::Spelling),
            ("HTTPS://h/x", ClientIdUrlError::Spelling),
            ("https://h:443/x", ClientIdUrlError::Spelling),
            ("https://h./x", ClientIdUrlError::Spelling),
            ("https://h\\x", ClientIdUrlError::Spelling),
            ("https:/h/x", ClientIdUrlError::Spelling),
            ("https://b\u{fc}cher.example/x", ClientIdUrlError::Spelling),
            ("https://0x7f.1/x", ClientIdUrlError::Spelling),
            ("https://2130706433/x", ClientIdUrlError::Spelling),
            ("https://h/x\n", ClientIdUrlError::Spelling),
            ("https://h/a b", ClientIdUrlError::Spelling),
            ("http://h/x", ClientIdUrlError::NotHttps),
            ("http://localhost/x", ClientIdUrlError::NotHttps),
            ("ftp://h/x", ClientIdUrlError::NotHttps),
        ] {
            assert_eq!(ClientIdUrl::parse(bad, false), Err(error), "{bad}");
        }
        assert_eq!(
            ClientIdUrl::parse(&format!("https://h/{}", "x".repeat(500)), false),
            Err(ClientIdUrlError::TooLong)
        );
    }

    /// CIMD-6.5-1: http to this computer only for a server that is on this computer
    #[test]
    fn in_development_this_computer_counts() {
        for good in ["http://localhost:3000/x", "http://127.0.0.1/x", "http://[::1]:9/x", "https://h/x"] {
            assert!(ClientIdUrl::parse(good, true).is_ok(), "{good}");
        }
        for bad in ["http://localhost.example/x", "http://10.0.0.1/x", "http://h/x", "http://127.0.0.2/x"] {
            assert_eq!(ClientIdUrl::parse(bad, true), Err(ClientIdUrlError::NotHttps), "{bad}");
        }
    }

    proptest! {
        /// CIMD-6.9-1: what we give to clients is never taken for a URL; and whatever text comes, what is accepted is
        /// https and shows its host as it is.
        #[test]
        fn only_plain_urls_are_accepted(text in "(https?://)?\\PC{0,40}") {
            prop_assert!(!ClientIdUrl::is_meant_by(ClientId::generate().as_str()));
            if let Ok(url) = ClientIdUrl::parse(&text, false) {
                prop_assert!(ClientIdUrl::is_meant_by(&text));
                let begin = format!("https://{}/", url.host());
                prop_assert!(text.starts_with(&begin) && !url.host().contains('@'));
            }
        }
    }
}
