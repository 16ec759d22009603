//! Stories about connections as they are on the wire: TLS, slowness, and stopping.

use std::sync::Arc;

use axum::routing::get;
use portcullis_web::Peer;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::{Config, Flags, Sources, TlsFiles};
use crate::tls;

const HASTE: Patience = Patience { handshake: Duration::from_millis(50), head: Duration::from_millis(50) };
const ASK: &[u8] = b"GET /peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn files() -> (TempDir, TlsFiles) {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
    std::fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    (folder, files)
}

/// So many places, with these settings.
fn places(many: usize, settings: &[(&str, &str)]) -> Places {
    let environment =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Places::new(many, &Config::load(&Sources { environment, flags: Flags::default() }).unwrap())
}

/// A running listener.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    entered: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl Running {
    async fn start(files: Option<&TlsFiles>, patience: Patience) -> Self {
        Self::with_places(files, patience, &places(1_000, &[])).await
    }

    async fn with_places(files: Option<&TlsFiles>, patience: Patience, places: &Places) -> Self {
        let stop = CancellationToken::new();
        let (entered, stopping) = (Arc::new(Notify::new()), stop.clone());
        let enter = entered.clone();
        // Says that it is under way, and answers when the server is already stopping.
        let held = || async move {
            enter.notify_one();
            stopping.cancelled().await;
        };
        let router = Router::new()
            .route("/peer", get(|peer: Peer| async move { peer.to_string() }))
            .route("/held", get(held));
        let acceptor = files.map(|files| TlsAcceptor::from(Arc::new(tls::server_config(files).unwrap())));
        let connections =
            Connections { patience, ..Connections::new(router, acceptor, places.clone(), stop.clone()) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, stop, entered, accepting: tokio::spawn(connections.accept(listener)) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A TLS connection that offers these protocols.
    async fn handshake(&self, files: &TlsFiles, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut config = (*tls::client_of(files).unwrap()).clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, self.connect().await).await.unwrap()
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A52
#[tokio::test]
async fn endpoints_know_their_peer_with_tls_and_without() {
    let plain = Running::start(None, PATIENCE).await;
    assert!(exchange(plain.connect().await, ASK).await.ends_with("\r\n\r\n127.0.0.1"));
    let (_folder, files) = files();
    let tls = Running::start(Some(&files), PATIENCE).await;
    let stream = tls.handshake(&files, &[b"http/1.1"]).await;
    assert!(exchange(stream, ASK).await.ends_with("\r\n\r\n127.0.0.1"));
}

#[tokio::test]
async fn http_2_is_spoken_where_the_handshake_agreed_on_it() {
    let (_folder, files) = files();
    let tls = Running::start(Some(&files), PATIENCE).await;
    let mut stream = tls.handshake(&files, &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(HTTP_2));
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "the first frame of a server is SETTINGS (RFC 9113 §3.4)");
    let unnamed = tls.handshake(&files, &[]).await;
    assert!(exchange(unnamed, ASK).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn whoever_is_slow_is_cut_off_before_a_request_is_understood() {
    let (_folder, files) = files();
    for (files, begun) in [
        (None, &b""[..]),
        (None, b"P"),
        (None, b"GET /peer HTTP/1.1\r\nHost: loc"),
        (Some(&files), b""),
        (Some(&files), b"\x16\x03\x01"),
    ] {
        let running = Running::start(files, HASTE).await;
        let mut stream = running.connect().await;
        stream.write_all(begun).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{begun:?} is still waited for");
    }
}

#[tokio::test]
async fn a_request_that_is_under_way_is_answered_and_idle_connections_end_at_once() {
    let running = Running::start(None, PATIENCE).await;
    let _silent = running.connect().await;
    let mut under_way = running.connect().await;
    under_way.write_all(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    running.entered.notified().await;
    running.stop.cancel();
    let mut answer = String::new();
    timeout(Duration::from_secs(2), under_way.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    timeout(Duration::from_secs(2), running.accepting).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nothing new is accepted");
}

/// A connection from another address of this machine.
async fn connect_from(running: &Running, address: [u8; 4]) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((address, 0))).unwrap();
    socket.connect(running.address).await.unwrap()
}

/// A stranger who opens sockets gets a share, and an honest answer beyond it; others are served meanwhile.
#[tokio::test]
async fn one_address_gets_half_of_the_places_and_hears_when_to_come_again() {
    let running = Running::with_places(None, PATIENCE, &places(8, &[])).await;
    let mut hoarded = Vec::new();
    for _ in 0..4 {
        hoarded.push(running.connect().await);
    }
    let refused = exchange(running.connect().await, ASK).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: 5\r\n"), "{refused}");
    let (head, body) = refused.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{refused}");
    let other = exchange(connect_from(&running, [127, 0, 0, 2]).await, ASK).await;
    assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
    drop(hoarded);
    let mut tries = 0;
    while exchange(running.connect().await, ASK).await.starts_with("HTTP/1.1 503 ") {
        tries += 1;
        assert!(tries < 1_000, "the places do not come back");
    }
}

/// Behind a proxy everybody has one address, so there the share would be an outage; the whole is bounded all the same.
#[tokio::test]
async fn a_proxy_may_use_every_place_and_no_more() {
    for settings in [
        &[("PORTCULLIS_TRUSTED_PROXIES", "127.0.0.1")][..],
        &[("PORTCULLIS_BEHIND_TLS_PROXY", "true"), ("PORTCULLIS_PUBLIC_URL", "https://mcp.example")],
    ] {
        let running = Running::with_places(None, PATIENCE, &places(4, settings)).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(running.connect().await);
        }
        let mut last = running.connect().await;
        last.write_all(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        running.entered.notified().await;
        assert!(exchange(running.connect().await, ASK).await.starts_with("HTTP/1.1 503 "));
    }
}

#[tokio::test]
async fn without_a_place_no_handshake_is_begun() {
    let (_folder, files) = files();
    let running = Running::with_places(Some(&files), PATIENCE, &places(1, &[])).await;
    let _held = running.handshake(&files, &[b"http/1.1"]).await;
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(5), running.connect().await.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty(), "closed without a word");
}
