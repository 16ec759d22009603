//! `portcullis healthcheck`: asks the server on this machine whether it is alive, for containers that have no curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, Stream};
use rustls_pki_types::ServerName;

use crate::config::Config;
use crate::{Problem, tls};

const PATIENCE: Duration = Duration::from_secs(3);

/// Succeeds when `/healthz` answers 200 on the first address that the configuration names.
pub(super) fn run(config: &Config) -> Result<(), Problem> {
    let Some(listen) = config.listen.first() else { return Err(Problem::configuration("listen is empty")) };
    let address = reachable(listen.address);
    let tls = config.tls.as_ref().map(tls::client_of).transpose()?;
    let status = ask(address, tls)
        .map_err(|error| Problem::failed(format!("nobody answers on {address}: {error}")))?;
    if status.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(Problem::failed(format!("the server on {address} is not well: it answered {status}")))
    }
}

/// A server that listens on every address is reached on the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The status line of the answer.
fn ask(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(tls) = tls else { return exchange(stream) };
    let name = ServerName::from(address.ip());
    let mut connection = ClientConnection::new(tls, name).map_err(std::io::Error::other)?;
    exchange(Stream::new(&mut connection, &mut stream))
}

fn exchange(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4_096).read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
