//! Who is at the other end of the connection: a key for limits, not a proof of anything.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::Extensions;
use axum::http::request::Parts;

/// The peer's network address, as limits key it: IPv4 whole, IPv6 by its /64 (A52). Read from the connection. Behind
/// proxies, whoever knows which of them to believe puts a `Peer` among the request's extensions, which then counts;
/// headers are not looked at here (R9700-4.13-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl Peer {
    fn of(extensions: &Extensions) -> Self {
        let connection = || extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let address = || connection().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        extensions.get::<Self>().copied().unwrap_or_else(|| Self::from(address()))
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9700-4.13-1
    #[test]
    fn the_connection_counts_unless_somebody_who_knows_better_has_said_who_it_is() {
        let mut extensions = Extensions::new();
        assert_eq!(Peer::of(&extensions).to_string(), "::");
        extensions.insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 1))));
        assert_eq!(Peer::of(&extensions).to_string(), "192.0.2.7");
        extensions.insert(Peer::from(IpAddr::from([203, 0, 113, 9])));
        assert_eq!(Peer::of(&extensions).to_string(), "203.0.113.9");
    }

    /// A52
    #[test]
    fn one_household_is_one_peer_however_it_writes_its_address() {
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:192.0.2.7"), peer("192.0.2.7"));
    }
}
