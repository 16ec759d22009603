//! From a URL to the addresses that may be called: judged before anything is sent, resolved once.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use url::{Host, Url};

use crate::address::Reach;
use crate::{Failure, Policy};

/// A future that a trait object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who turns a name into addresses.
pub trait Resolver: Send + Sync {
    /// Every address of `host`.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
pub(crate) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
    /// Which addresses besides public ones count: those that an operator or the developer's own machine opened.
    opened: Opened,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    Nothing,
    Private,
    PrivateOnly,
    Loopback,
}

/// Of which network a target may be, as the operator said who named it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The internet alone.
    #[default]
    Public,
    /// A network of the operator's own too, and there by http as well.
    Private,
}

impl Target {
    /// Reads a URL in its one plain spelling: a host that a parser would rewrite (decimal, octal, hexadecimal, encoded) is
    /// refused, so that what was shown or compared elsewhere is what is called.
    /// `network`: where an operator said of which network this one target is. In a private one http counts too: what is
    /// reached by it is never a public address.
    pub(crate) fn on(text: &str, policy: &Policy, network: Network) -> Result<Self, Failure> {
        let url = Url::parse(text).map_err(|_| Failure::Url)?;
        let host = url.host().ok_or(Failure::Url)?.to_owned();
        let shown = host.to_string();
        let authority = text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        let is_plain = authority.get(..shown.len()).is_some_and(|start| start.eq_ignore_ascii_case(&shown))
            && matches!(authority[shown.len()..].bytes().next(), None | Some(b':'));
        if !is_plain || shown.ends_with('.') || !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::Url);
        }
        let opened = if policy.loopback && is_this_computer(&host) {
            Opened::Loopback
        } else if network == Network::Private && url.scheme() == "http" {
            Opened::PrivateOnly
        } else if network == Network::Private
            || policy.private_hosts.iter().any(|opened| opened.eq_ignore_ascii_case(&shown))
        {
            Opened::Private
        } else {
            Opened::Nothing
        };
        match url.scheme() {
            "https" => {}
            "http" if matches!(opened, Opened::Loopback | Opened::PrivateOnly) => {}
            _ => return Err(Failure::Scheme),
        }
        let port = url.port_or_known_default().ok_or(Failure::Url)?;
        Ok(Self { url, host, port, opened })
    }

    /// The addresses that may be called; the name is asked for once, and nobody asks again.
    pub(crate) async fn addresses(&self, resolver: &dyn Resolver) -> Result<Vec<SocketAddr>, Failure> {
        let found = match &self.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => resolver.resolve(name).await.map_err(Failure::Unresolved)?,
        };
        let Some(first) = found.first().copied() else {
            return Err(Failure::Unresolved(io::ErrorKind::NotFound.into()));
        };
        let vetted: Vec<SocketAddr> = found
            .into_iter()
            .filter(|address| self.may_call(Reach::of(*address)))
            .map(|address| SocketAddr::new(address, self.port))
            .collect();
        if vetted.is_empty() { Err(Failure::Address(Reach::of(first))) } else { Ok(vetted) }
    }

    fn may_call(&self, reach: Reach) -> bool {
        match (self.opened, reach) {
            // A name of this computer that leads elsewhere was not meant.
            (Opened::Loopback, reach) => reach == Reach::Loopback,
            (Opened::PrivateOnly, reach) => reach == Reach::Private,
            (_, Reach::Public) | (Opened::Private, Reach::Private) => true,
            _ => false,
        }
    }

    /// The address that `reference` names as seen from here, if scheme, host and port are the same.
    pub(crate) fn beside(&self, reference: &str) -> Option<String> {
        let other = self.url.join(reference).ok()?;
        (other.origin() == self.url.origin()).then(|| other.into())
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The name that the certificate must be for.
    pub(crate) fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// `Host`, with the port if it is not the default.
    pub(crate) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// Path and query, as the request line has them.
    pub(crate) fn path(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

fn is_this_computer(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, policy: &Policy) -> &'static str {
        match Target::on(text, policy, Network::Public) {
            Ok(_) => "ok",
            Err(failure) => failure.as_str(),
        }
    }

    /// A29, CIMD-6.5-1: one spelling, https alone, no user information, no trailing dot
    #[test]
    fn a_url_is_taken_in_its_plain_spelling_only() {
        let policy = Policy::default();
        for good in [
            "https://h.example",
            "https://h.example:8443/a?b",
            "https://1.1.1.1/x",
            "https://[2606:4700::1]/x",
        ] {
            assert_eq!(verdict(good, &policy), "ok", "{good}");
        }
        for bad in [
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://0x7f.1/",
            "https://127.1/",
            "https://h.example./",
            "https://u@h.example/",
            "https://u:p@h.example/",
            "https://%68.example/",
            "https://b\u{fc}cher.example/",
            "https:///x",
            "https:h.example/x",
            "h.example",
            "https://h\\@i.example/",
            " https://h.example@i.example",
            "https://[::ffff:7f00:1%25eth0]/",
        ] {
            assert_eq!(verdict(bad, &policy), "url_malformed", "{bad}");
        }
        for bad in ["http://h.example/", "http://localhost/", "ftp://h.example/", "gopher://h.example/"] {
            assert_eq!(verdict(bad, &policy), "url_not_https", "{bad}");
        }
    }

    /// CIMD-6.5-1: http to this computer only where that was allowed, and to nothing that looks like it
    #[test]
    fn http_is_for_this_computer_alone() {
        let policy = Policy { loopback: true, ..Policy::default() };
        for good in ["http://localhost:1/x", "http://127.0.0.1/x", "http://[::1]:9/x", "https://localhost/x"]
        {
            assert_eq!(verdict(good, &policy), "ok", "{good}");
        }
        for bad in ["http://localhost.example/x", "http://10.0.0.1/x", "http://127.0.0.1.example/x"] {
            assert_eq!(verdict(bad, &policy), "url_not_https", "{bad}");
        }
    }
}
