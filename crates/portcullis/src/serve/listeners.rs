//! Binding every address before anything else happens.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::Problem;
use crate::config::ListenAddress;

/// Binds every address. The IPv6 half of `localhost` is left out, with a warning, on a machine that has none.
///
/// # Errors
/// When an address is taken or not ours, in one sentence that says what to do.
pub(super) async fn bind(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, Problem> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for listen in addresses {
        let mut address = listen.address;
        if let (true, 0, Some(first)) = (listen.optional, address.port(), listeners.first()) {
            // `localhost:0`: both halves get the port that the first was given.
            address.set_port(port(first)?);
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            // A port that somebody else holds is never left out: half of the browser's requests would go there.
            Err(error)
                if listen.optional && error.kind() != ErrorKind::AddrInUse && !listeners.is_empty() =>
            {
                tracing::warn!(%address, %error, "not listening on IPv6");
            }
            Err(error) => return Err(refused(address, &error, "--listen")),
        }
    }
    Ok(listeners)
}

/// Binds every address, but those that may be left out where somebody has their port.
///
/// # Errors
/// As [`bind`].
pub(super) async fn bind_where_free(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, Problem> {
    let mut listeners = Vec::new();
    for listen in addresses {
        match TcpListener::bind(listen.address).await {
            Ok(listener) => listeners.push(listener),
            Err(_) if listen.optional => {}
            Err(error) => return Err(refused(listen.address, &error, "--ops-listen")),
        }
    }
    Ok(listeners)
}

/// The port of each listener, in their order.
///
/// # Errors
/// When the operating system does not tell, or there is no listener.
pub(super) fn ports(listeners: &[TcpListener]) -> Result<Vec<u16>, Problem> {
    if listeners.is_empty() {
        return Err(Problem::configuration(
            "listen names no address; leave it out to listen on localhost:8420",
        ));
    }
    listeners.iter().map(port).collect()
}

fn port(listener: &TcpListener) -> Result<u16, Problem> {
    let address = listener.local_addr();
    address.map(|address| address.port()).map_err(|error| Problem::failed(format!("cannot listen: {error}")))
}

fn refused(address: SocketAddr, error: &Error, flag: &str) -> Problem {
    Problem::failed(match error.kind() {
        ErrorKind::AddrInUse => format!(
            "cannot listen on {address}: the port is taken; stop the program that uses it, or choose another port with {flag} localhost:PORT"
        ),
        ErrorKind::PermissionDenied => format!(
            "cannot listen on {address}: this user may not use the port; choose one above 1023 with {flag}"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "cannot listen on {address}: this machine has no such address; choose one of its own with {flag}"
        ),
        _ => format!("cannot listen on {address}: {error}; choose another address with {flag}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str, optional: bool) -> ListenAddress {
        ListenAddress { address: address.parse().unwrap(), optional }
    }

    #[tokio::test]
    async fn a_taken_port_is_told_in_one_sentence() {
        let first = bind(&[at("127.0.0.1:0", false)]).await.unwrap();
        let taken = first[0].local_addr().unwrap().to_string();
        let sentence = bind(&[at(&taken, false)]).await.unwrap_err().to_string();
        assert!(
            sentence.starts_with(&format!("cannot listen on {taken}: the port is taken; ")),
            "{sentence}"
        );
        let optional = bind(&[at("127.0.0.1:0", false), at(&taken, true)]).await;
        assert!(optional.is_err(), "not even an optional address may be somebody else's");
    }

    #[tokio::test]
    async fn the_ipv6_half_is_left_out_where_there_is_none_and_has_the_same_port_where_there_is() {
        // 2001:db8::/32 is for documentation (RFC 3849): no machine has it.
        let bound = bind(&[at("127.0.0.1:0", false), at("[2001:db8::1]:0", true)]).await.unwrap();
        assert_eq!(bound.len(), 1);
        let bound = bind(&[at("127.0.0.1:0", false), at("127.0.0.2:0", true)]).await.unwrap();
        let ports = ports(&bound).unwrap();
        assert_eq!(ports[0], ports[1]);
        let alone = bind(&[at("[2001:db8::1]:0", true)]).await.unwrap_err().to_string();
        assert!(alone.starts_with("cannot listen on [2001:db8::1]:0: "), "{alone}");
    }
}
