//! Kept connections: when one is used again, to which address it leads, and what closes it.

#![expect(clippy::unwrap_used, reason = "a surprise ends the story")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method};
use portcullis_outbound::{BoxFuture, Lane, Network, Outbound, Parcel, Policy, Resolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n";

/// A server that gives each request the same answer; after so many on one connection it closes it. Tells how many
/// connections came, and how many of them have ended.
struct Answering {
    address: SocketAddr,
    came: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

async fn answering(answer: &'static str, each: usize) -> Answering {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (came, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (came.clone(), ended.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counters.0.fetch_add(1, Ordering::SeqCst);
            let ended = counters.1.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    let read = stream.read(&mut [0; 4_096]).await.unwrap_or(0);
                    if read == 0 || stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    Answering { address, came, ended }
}

fn lane(address: SocketAddr) -> Lane {
    let outbound = Outbound::new(Policy { loopback: true, ..Policy::default() }).unwrap();
    outbound.lane(&format!("http://{address}/mcp"), Network::Public).unwrap()
}

fn post() -> Parcel {
    Parcel { method: Method::POST, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it never came true: {what}");
}

#[tokio::test]
async fn a_connection_whose_answer_was_read_is_used_again() {
    let server = answering(OK, usize::MAX).await;
    let lane = lane(server.address);
    for _ in 0..5 {
        assert_eq!(lane.send(post()).await.unwrap().body.read(10).await.unwrap(), "ok");
    }
    assert_eq!(server.came.load(Ordering::SeqCst), 1);
    drop(lane);
    until("it is closed", || server.ended.load(Ordering::SeqCst) == 1).await;
}

/// HTTP26-15: an answer that nobody reads on ends its connection, which tells the other side
#[tokio::test]
async fn an_answer_that_is_left_closes_its_connection() {
    let server = answering(CHUNKED, usize::MAX).await;
    let lane = lane(server.address);
    let mut body = lane.send(post()).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "a");
    drop(body);
    until("it is closed", || server.ended.load(Ordering::SeqCst) == 1).await;
    let _another = lane.send(post()).await.unwrap();
    assert_eq!(server.came.load(Ordering::SeqCst), 2);
}

/// A request that a closed connection never saw goes over another one; the caller learns nothing of it.
#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_used_again() {
    let server = answering(OK, 1).await;
    let lane = lane(server.address);
    for turn in 1..4 {
        assert_eq!(lane.send(post()).await.unwrap().body.read(10).await.unwrap(), "ok");
        until("it is closed", || server.ended.load(Ordering::SeqCst) == turn).await;
    }
    assert_eq!(server.came.load(Ordering::SeqCst), 3);
}

/// A connection that breaks after the request is something else than one that never was: it may have been carried out.
#[tokio::test]
async fn a_lost_answer_is_told_apart_from_no_connection() {
    let server = answering("", 1).await;
    let error = lane(server.address).send(post()).await.unwrap_err();
    assert_eq!(error.cause.as_str(), "answer_lost");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = lane(nobody).send(post()).await.unwrap_err();
    assert_eq!(error.cause.as_str(), "connection_failed");
}

struct Names(fn(usize) -> IpAddr, Arc<AtomicUsize>);

impl Resolver for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![(self.0)(self.1.fetch_add(1, Ordering::SeqCst))]) })
    }
}

/// T14: each connection leads to an address that was judged for it, and a kept one stays where it is
#[tokio::test]
async fn a_name_that_moves_takes_no_connection_along() {
    let server = answering(OK, 2).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let rebinding: fn(usize) -> IpAddr = |turn| match turn {
        0 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    };
    let policy = Policy { loopback: true, ..Policy::default() };
    let outbound = Outbound::resolving(policy, Box::new(Names(rebinding, asked.clone()))).unwrap();
    let url = format!("http://localhost:{}/mcp", server.address.port());
    let lane = outbound.lane(&url, Network::Public).unwrap();
    for _ in 0..2 {
        lane.send(post()).await.unwrap().body.read(10).await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "kept");
    until("it is closed", || server.ended.load(Ordering::SeqCst) == 1).await;
    let error = lane.send(post()).await.unwrap_err();
    assert_eq!(error.cause.as_str(), "address_refused", "a new connection is judged anew");
}

/// T13, SBP-6: an admin opens a target to the private network; by http it is that network or nothing
#[tokio::test]
async fn a_target_in_a_private_network_is_private() {
    let verdict = async |url: &'static str, network, to: fn(usize) -> IpAddr| {
        let time = std::time::Duration::from_millis(50);
        let policy = Policy { time, ..Policy::default() };
        let names = Box::new(Names(to, Arc::default()));
        let lane = Outbound::resolving(policy, names).unwrap().lane(url, network);
        match lane {
            // Whoever has that address where the story is told.
            Ok(lane) => lane.send(post()).await.map_or_else(|error| error.cause.as_str(), |_| "answered"),
            Err(error) => error.cause.as_str(),
        }
    };
    let inside: fn(usize) -> IpAddr = |_| IpAddr::V4(Ipv4Addr::new(10, 255, 255, 1));
    let outside: fn(usize) -> IpAddr = |_| IpAddr::V4(Ipv4Addr::new(192, 0, 1, 1));
    let metadata: fn(usize) -> IpAddr = |_| IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
    let here: fn(usize) -> IpAddr = |_| IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(verdict("http://mcp.internal/", Network::Public, inside).await, "url_not_https");
    assert_eq!(verdict("https://mcp.internal/", Network::Public, inside).await, "address_refused");
    for refused in [outside, metadata, here] {
        assert_eq!(verdict("http://mcp.internal/", Network::Private, refused).await, "address_refused");
    }
    for refused in [metadata, here] {
        assert_eq!(verdict("https://mcp.internal/", Network::Private, refused).await, "address_refused");
    }
    for url in ["http://mcp.internal/", "https://mcp.internal/"] {
        let code = verdict(url, Network::Private, inside).await;
        assert!(!matches!(code, "address_refused" | "url_not_https"), "{url} is tried: {code}");
    }
}

/// T15: what a server names is of its own origin
#[test]
fn an_address_beside_is_of_the_same_origin() {
    let outbound = Outbound::new(Policy::default()).unwrap();
    let lane = outbound.lane("https://mcp.example/a/sse", Network::Public).unwrap();
    assert_eq!(lane.beside("/messages?s=1").as_deref(), Some("https://mcp.example/messages?s=1"));
    assert_eq!(lane.beside("b").as_deref(), Some("https://mcp.example/a/b"));
    for elsewhere in [
        "https://evil.example/",
        "//evil.example/",
        "http://mcp.example/",
        "https://mcp.example:1/",
        "javascript:x",
    ] {
        assert_eq!(lane.beside(elsewhere), None, "{elsewhere}");
    }
}
