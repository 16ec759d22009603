//! The guarded client against servers that behave badly, each on a loopback port of the story's own.

#![expect(clippy::unwrap_used, reason = "a surprise ends the story")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_outbound::{BoxFuture, Incoming, Outbound, Outgoing, Policy, Resolver};
use rustls::RootCertStore;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn here(time: Duration) -> Outbound {
    Outbound::new(Policy { loopback: true, time, ..Policy::default() }).unwrap()
}

/// A server that answers each connection with these bytes and leaves it open; gives its address and how many came.
async fn answering(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, came) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = came.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(answer).await;
            open.push(stream);
        }
    });
    (address, came)
}

async fn get(outbound: &Outbound, url: &str) -> Result<Incoming, &'static str> {
    outbound.send(Outgoing::get(url)).await.map_err(|error| {
        assert_eq!(error.to_string(), "the address could not be read", "A30: one text whatever failed");
        error.cause.as_str()
    })
}

/// Names that lead where the story wants.
struct Names(fn(usize) -> Vec<IpAddr>, Arc<AtomicUsize>);

impl Resolver for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok((self.0)(self.1.fetch_add(1, Ordering::SeqCst))) })
    }
}

fn leading(to: fn(usize) -> Vec<IpAddr>, policy: Policy) -> (Outbound, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    (Outbound::resolving(policy, Box::new(Names(to, asked.clone()))).unwrap(), asked)
}

const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// CIMD-4-1, A29: a redirect is an answer, not a way
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (target, came) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let redirect = format!("HTTP/1.1 301 Moved\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n");
    let (address, _) = answering(redirect.leak().as_bytes()).await;
    let answer = get(&here(Duration::from_secs(5)), &format!("http://{address}/x")).await.unwrap();
    assert_eq!(answer.status, 301);
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

/// CIMD-6.6-1: declared or not, what is too long is not read to its end
#[tokio::test]
async fn an_answer_is_cut_at_its_cap() {
    let outbound = here(Duration::from_secs(5));
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5121\r\n\r\n";
    let declared = format!("{head}{}", "x".repeat(5_121));
    let (address, _) = answering(declared.leak().as_bytes()).await;
    assert_eq!(get(&outbound, &format!("http://{address}/")).await.unwrap_err(), "answer_too_large");
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(6_000));
    let (address, _) = answering(endless.leak().as_bytes()).await;
    assert_eq!(get(&outbound, &format!("http://{address}/")).await.unwrap_err(), "answer_too_large");
    let fits = format!("HTTP/1.1 200 OK\r\ncontent-length: 5120\r\n\r\n{}", "x".repeat(5_120));
    let (address, _) = answering(fits.leak().as_bytes()).await;
    assert_eq!(get(&outbound, &format!("http://{address}/")).await.unwrap().body.len(), 5_120);
    let heads = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(600_000));
    let (address, _) = answering(heads.leak().as_bytes()).await;
    assert_eq!(get(&outbound, &format!("http://{address}/")).await.unwrap_err(), "answer_not_http");
}

/// CIMD-6.6-1, A29: a gzip bomb is not unfolded
#[tokio::test]
async fn a_compressed_answer_is_refused() {
    let (address, _) =
        answering(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00")
            .await;
    assert_eq!(
        get(&here(Duration::from_secs(5)), &format!("http://{address}/")).await.unwrap_err(),
        "answer_encoded"
    );
}

/// CIMD-6.6-1: who never ends his answer, or never begins it, is left
#[tokio::test]
async fn a_slow_answer_ends_with_its_time() {
    let outbound = here(Duration::from_millis(150));
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let (address, _) = answering(answer).await;
        assert_eq!(get(&outbound, &format!("http://{address}/")).await.unwrap_err(), "timeout");
    }
}

/// CIMD-6.5-1, A29: names and literals of special-use addresses are refused before anything is sent
#[tokio::test]
async fn special_addresses_are_not_called() {
    let strict = Outbound::new(Policy::default()).unwrap();
    for host in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:a00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "localhost",
    ] {
        assert_eq!(get(&strict, &format!("https://{host}/")).await.unwrap_err(), "address_refused", "{host}");
    }
    for to in [(|_| vec![METADATA]) as fn(usize) -> Vec<IpAddr>, |_| vec![INSIDE], |_| vec![HERE]] {
        let (outbound, _) = leading(to, Policy { loopback: true, ..Policy::default() });
        assert_eq!(get(&outbound, "https://evil.example/").await.unwrap_err(), "address_refused");
    }
    let (outbound, _) = leading(|_| vec![], Policy::default());
    assert_eq!(get(&outbound, "https://gone.example/").await.unwrap_err(), "name_unresolved");
}

/// A29: the operator opens a host to its private network, and to nothing worse
#[tokio::test]
async fn an_opened_host_may_be_private_and_no_more() {
    let policy = || Policy {
        private_hosts: vec!["client.cluster".to_owned()],
        time: Duration::from_millis(50),
        ..Policy::default()
    };
    let (outbound, _) = leading(|_| vec![INSIDE], policy());
    assert_eq!(get(&outbound, "https://other.cluster/").await.unwrap_err(), "address_refused");
    assert_ne!(get(&outbound, "https://client.cluster/").await.unwrap_err(), "address_refused");
    for to in [(|_| vec![METADATA]) as fn(usize) -> Vec<IpAddr>, |_| vec![HERE]] {
        let (outbound, _) = leading(to, policy());
        assert_eq!(get(&outbound, "https://client.cluster/").await.unwrap_err(), "address_refused");
    }
    assert_eq!(get(&outbound, "http://client.cluster/").await.unwrap_err(), "url_not_https");
}

/// A29, SBP-6, T13: on an errand to a server of the operator's own network that server is opened, and nothing that it names
#[tokio::test]
async fn an_errand_opens_one_origin_and_no_other() {
    let policy = || Policy { time: Duration::from_millis(50), ..Policy::default() };
    let (outbound, _) = leading(|_| vec![INSIDE], policy());
    let errand = outbound.opening("https://tools.cluster/mcp");
    assert_ne!(get(&errand, "https://tools.cluster/.well-known/x").await.unwrap_err(), "address_refused");
    for elsewhere in
        ["https://login.cluster/", "https://tools.cluster:8443/", "https://tools.cluster.evil.example/"]
    {
        assert_eq!(get(&errand, elsewhere).await.unwrap_err(), "address_refused", "{elsewhere}");
    }
    assert_eq!(get(&outbound, "https://tools.cluster/").await.unwrap_err(), "address_refused");
    let (outbound, _) = leading(|_| vec![METADATA], policy());
    let errand = outbound.opening("https://tools.cluster/mcp");
    assert_eq!(get(&errand, "https://tools.cluster/").await.unwrap_err(), "address_refused", "nothing worse");
}

/// A29: a name server that answers differently the second time is never asked a second time
#[tokio::test]
async fn a_name_is_resolved_once() {
    let (address, came) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rebinding: fn(usize) -> Vec<IpAddr> = |turn| vec![if turn == 0 { HERE } else { METADATA }];
    let (outbound, asked) = leading(rebinding, Policy { loopback: true, ..Policy::default() });
    assert_eq!(get(&outbound, &format!("http://localhost:{}/", address.port())).await.unwrap().status, 200);
    assert_eq!((asked.load(Ordering::SeqCst), came.load(Ordering::SeqCst)), (1, 1));
}

/// OA21-1.5-2: a certificate that nobody vouches for, or of another host, ends it; with its root it is believed
#[tokio::test]
async fn a_certificate_is_checked() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = issued.cert.der().clone();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = serve(acceptor.accept(stream)).await;
        }
    });
    let stranger = here(Duration::from_secs(5));
    assert_eq!(get(&stranger, &format!("https://localhost:{port}/")).await.unwrap_err(), "tls_failed");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let trusting = Outbound::new(Policy { loopback: true, roots, ..Policy::default() }).unwrap();
    assert_eq!(get(&trusting, &format!("https://127.0.0.1:{port}/")).await.unwrap_err(), "tls_failed");
    assert_eq!(get(&trusting, &format!("https://localhost:{port}/")).await.unwrap().status, 200);
}

async fn serve(accepting: tokio_rustls::Accept<TcpStream>) -> io::Result<()> {
    let mut stream = accepting.await?;
    let _ = stream.read(&mut [0; 4_096]).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    stream.shutdown().await
}
