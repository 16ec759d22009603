//! How many connections are open at once: a stranger who opens sockets by the thousand uses up a share, not the server.

use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, Shutdown};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_web::Peer;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::{Config, Network};

/// What is said where there is no place, before a single byte of the request is looked at.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: text/plain\r\n\
    Content-Length: 56\r\nConnection: close\r\n\r\nToo many connections are open. Try again in 5 seconds.\r\n";
/// So many are waited for at once until they have heard it; beyond it the connection is closed on the spot.
const HEARING: usize = 256;
/// Whoever is told has so long to hear it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The places of all listeners together. Cheap to clone; clones share the count.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Arc<Semaphore>,
    lingering: Arc<Semaphore>,
    /// The share of one address, where an address is one peer's.
    most_of_one: Option<usize>,
    /// Behind these are many peers.
    proxies: Vec<Network>,
    held: Mutex<HashMap<Peer, usize>>,
    is_full: AtomicBool,
}

/// A place that one connection holds until it ends.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    all: Places,
    peer: Peer,
}

impl Places {
    /// So many places. One address gets half of them at most, unless it is a proxy's: every peer comes from there.
    pub(in crate::serve) fn new(places: usize, config: &Config) -> Self {
        let unlisted_proxy = config.behind_tls_proxy && config.trusted_proxies.is_empty();
        Self(Arc::new(Inner {
            free: Arc::new(Semaphore::new(places)),
            lingering: Arc::new(Semaphore::new(HEARING)),
            most_of_one: (!unlisted_proxy).then(|| places.div_ceil(2)),
            proxies: config.trusted_proxies.clone(),
            held: Mutex::default(),
            is_full: AtomicBool::default(),
        }))
    }

    /// A place for a connection from this address; `None` when there is none, or when the address has its share.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let place = self.find(address);
        // Told when it begins, not at every connection.
        if self.0.is_full.swap(place.is_none(), Ordering::Relaxed) != place.is_none() && place.is_none() {
            tracing::warn!(%address, "connections are refused: the places are taken, or this address has its share");
        }
        place
    }

    fn find(&self, address: IpAddr) -> Option<Place> {
        let permit = Arc::clone(&self.0.free).try_acquire_owned().ok()?;
        let peer = Peer::from(address);
        let is_proxy = self.0.proxies.iter().any(|network| network.contains(address));
        let most = self.0.most_of_one.filter(|_| !is_proxy).unwrap_or(usize::MAX);
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { _permit: permit, all: self.clone(), peer })
    }

    /// Closes a connection for which there is no place; says so first if it would be understood.
    pub(super) fn refuse(&self, stream: TcpStream, is_tls: bool) {
        // Under TLS it would take the very handshake that there is no room for.
        if is_tls {
            return;
        }
        let Ok(stream) = tell(stream) else { return };
        let Ok(permit) = Arc::clone(&self.0.lingering).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _permit = permit;
            let _ = timeout(PATIENCE, linger(stream)).await;
        });
    }
}

/// Says it at once: what nobody has written to yet takes so few bytes without waiting.
fn tell(stream: TcpStream) -> std::io::Result<std::net::TcpStream> {
    let mut stream = stream.into_std()?;
    stream.write_all(FULL)?;
    stream.shutdown(Shutdown::Write)?;
    Ok(stream)
}

/// Closing while the request still arrives would take the answer back (RFC 9112 §9.6), so what arrives is read first.
async fn linger(stream: std::net::TcpStream) -> std::io::Result<()> {
    let mut stream = TcpStream::from_std(stream)?;
    let mut rest = [0; 4_096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.all.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.peer);
            }
        }
    }
}
