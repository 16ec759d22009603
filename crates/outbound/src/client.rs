//! The client: what may be called and how long it may take, and one request through it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::exchange::{self, Incoming, Wire};
use crate::lane::Lane;
use crate::target::{Network, Resolver, SystemResolver, Target};
use crate::{Failure, Unreachable};

/// CIMD §6.6 recommends 5 KB.
const LIMIT: usize = 5 * 1_024;
/// So many requests are under way at once; more wait, within their time.
const AT_ONCE: usize = 64;

/// What may be called, and for how long.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether `localhost`, `127.0.0.1` and `[::1]` may be called, by http too: for a server that itself is published on
    /// this computer and nowhere else (CIMD-6.5-1).
    pub loopback: bool,
    /// Hosts whose addresses may be private ones, as in a cluster; still by https.
    pub private_hosts: Vec<String>,
    /// A request ends after so long, name look-up and body included.
    pub time: Duration,
    /// Certificate authorities that are believed besides the public ones.
    pub roots: RootCertStore,
}

impl Default for Policy {
    fn default() -> Self {
        let (loopback, private_hosts) = (false, Vec::new());
        Self { loopback, private_hosts, time: Duration::from_secs(5), roots: RootCertStore::empty() }
    }
}

/// One request. Its `Debug` shows neither its body nor its credentials.
#[derive(Clone)]
pub struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) accept: &'static str,
    pub(crate) etag: Option<&'a str>,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) body: Option<(&'static str, Bytes)>,
    pub(crate) limit: usize,
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} {})", self.method, self.url)
    }
}

impl<'a> Outgoing<'a> {
    /// Asks for what is at `url`.
    #[must_use]
    pub fn get(url: &'a str) -> Self {
        Self {
            method: Method::GET,
            url,
            accept: "application/json",
            etag: None,
            authorization: None,
            body: None,
            limit: LIMIT,
        }
    }

    /// Sends `body` to `url`.
    #[must_use]
    pub fn post(url: &'a str, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: Some((content_type, body.into())), ..Self::get(url) }
    }

    /// Unless it is still what it was under this `ETag`; the answer may then be 304.
    #[must_use]
    pub fn unless(self, etag: Option<&'a str>) -> Self {
        Self { etag, ..self }
    }

    /// With this value of `Authorization`.
    #[must_use]
    pub fn authorized(self, authorization: Option<&'a str>) -> Self {
        Self { authorization, ..self }
    }

    /// Takes these media types, instead of JSON alone.
    #[must_use]
    pub fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// Reads at most so many bytes of the answer's body, instead of 5 KB.
    #[must_use]
    pub fn at_most(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

/// The guarded client. Cheap to clone; one a process is enough.
#[derive(Clone)]
pub struct Outbound {
    inner: Arc<Inner>,
    /// The one origin that may lie in a private network; see [`Outbound::opening`].
    opened: Option<Arc<str>>,
}

struct Inner {
    policy: Policy,
    resolver: Box<dyn Resolver>,
    tls: TlsConnector,
    places: Semaphore,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outbound").field(&self.inner.policy).finish()
    }
}

impl Outbound {
    /// A client that keeps to `policy`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(policy: Policy) -> Result<Self, rustls::Error> {
        Self::resolving(policy, Box::new(SystemResolver))
    }

    /// The same, with name look-ups of the caller's own. What they find is judged all the same.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn resolving(policy: Policy, resolver: Box<dyn Resolver>) -> Result<Self, rustls::Error> {
        let mut roots = policy.roots.clone();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (tls, places) = (TlsConnector::from(Arc::new(tls)), Semaphore::new(AT_ONCE));
        Ok(Self { inner: Arc::new(Inner { policy, resolver, tls, places }), opened: None })
    }

    /// The same client on an errand for which an operator said that the server at `url` is in a network of their own: scheme,
    /// host and port of that server are opened as by [`Policy::private_hosts`], and nothing else that is named on the way.
    #[must_use]
    pub fn opening(&self, url: &str) -> Self {
        Self { inner: Arc::clone(&self.inner), opened: origin(url).map(Arc::from) }
    }

    /// Connections to the origin of `url` that are kept between requests, for a target of that `network`.
    ///
    /// # Errors
    /// When the URL is not one that may be called.
    pub fn lane(&self, url: &str, network: Network) -> Result<Lane, Unreachable> {
        Ok(Lane::new(self.clone(), Target::on(url, &self.inner.policy, network)?))
    }

    /// Looks the target's name up, judges what is found and connects, within the time of the policy.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Wire, Failure> {
        let inner = &*self.inner;
        let work = async {
            let addresses = target.addresses(&*inner.resolver).await?;
            exchange::connect(&inner.tls, target, &addresses).await
        };
        timeout(inner.policy.time, work).await.map_err(|_| Failure::Timeout)?
    }

    /// Sends one request and reads its answer whole, whatever its status is.
    ///
    /// # Errors
    /// When there is none, or it is not one that may be read.
    pub async fn send(&self, outgoing: Outgoing<'_>) -> Result<Incoming, Unreachable> {
        let inner = &*self.inner;
        let work = async {
            let is_opened =
                self.opened.is_some() && origin(outgoing.url).as_deref() == self.opened.as_deref();
            let network = if is_opened { Network::Private } else { Network::Public };
            let target = Target::on(outgoing.url, &inner.policy, network)?;
            let _place = inner.places.acquire().await.map_err(|_| Failure::Timeout)?;
            let addresses = target.addresses(&*inner.resolver).await?;
            // On the heap: what waits for a stranger's answer should not make every caller's future large.
            Box::pin(exchange::run(&inner.tls, (&target, &addresses), outgoing)).await
        };
        Ok(timeout(inner.policy.time, work).await.map_err(|_| Failure::Timeout)??)
    }
}

/// Scheme, host and port; nothing for what has none that could be compared.
fn origin(url: &str) -> Option<String> {
    let origin = url::Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}
