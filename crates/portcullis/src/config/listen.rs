//! Where to listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port when none is named.
pub(super) const DEFAULT_PORT: u16 = 8420;

/// Where those are answered who watch over the process, when nothing is named.
pub(super) const DEFAULT_OPS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8421);

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// The address.
    pub address: SocketAddr,
    /// Whether it may be left out when this machine has no such address: the IPv6 half of `localhost`.
    pub optional: bool,
}

impl ListenAddress {
    /// Both addresses of `localhost`.
    pub(super) fn localhost(port: u16) -> [Self; 2] {
        let at = |ip: IpAddr, optional| Self { address: SocketAddr::new(ip, port), optional };
        [at(Ipv4Addr::LOCALHOST.into(), false), at(Ipv6Addr::LOCALHOST.into(), true)]
    }

    /// Reads `ADDRESS:PORT` or `localhost:PORT`; `None` if it is neither.
    pub(super) fn parse(text: &str) -> Option<Vec<Self>> {
        if let Some(port) = text.strip_prefix("localhost:") {
            return port.parse().ok().map(|port| Self::localhost(port).to_vec());
        }
        text.parse().ok().map(|address| vec![Self { address, optional: false }])
    }
}
