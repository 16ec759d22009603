//! Who is on the other side: the connection's address, or what a proxy of ours says about it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName};
use portcullis_web::Peer;

use crate::config::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers with which proxies speak about the connection, or strangers in their name. Nobody behind this reads them.
const CLAIMS: [HeaderName; 13] = [
    FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-client-cert"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-cert"),
    HeaderName::from_static("x-ssl-client-cert"),
    HeaderName::from_static("ssl-client-cert"),
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("client-cert-chain"),
];

/// Decides who the peer is, for [`Peer`] to read, and takes every claim about the connection away (R9700-4.13-1). Gives the
/// peer's whole address.
pub(super) fn settle(request: &mut Request, trusted: &[Network]) -> Option<IpAddr> {
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let client = connection.map(|connection| client(connection, request.headers(), trusted));
    if let Some(client) = client.filter(|_| !trusted.is_empty()) {
        request.extensions_mut().insert(Peer::from(client));
    }
    for name in CLAIMS {
        request.headers_mut().remove(name);
    }
    client
}

/// The right-most hop that is not one of our proxies (A52): each proxy appends whom it heard from, so from the right
/// every entry was written by a proxy that we trust, up to the first that was not.
fn client(connection: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let values: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let mut hops = values.into_iter().rev().flat_map(|value| value.rsplit(','));
    let mut client = connection;
    while trusted.iter().any(|network| network.contains(client)) {
        match hops.next().and_then(hop) {
            Some(before) => client = before,
            None => break,
        }
    }
    client
}

/// An address, with or without a port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}
