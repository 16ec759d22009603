//! Connections: accepted, with TLS ended on them if we do that, and served until their peer or we stop.
//!
//! A stranger who is slow has a deadline at every step before a request is understood: the handshake, and the head of
//! each request. From then on the middleware's own deadline counts.

mod places;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub(super) use self::places::Places;
use crate::tls::HTTP_2;

/// The two deadlines of a slow stranger.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// A TLS handshake is over within this time.
    handshake: Duration,
    /// The head of a request is here within this time, counted from the moment it could begin: so this is also how long
    /// an idle HTTP/1.1 connection is kept.
    head: Duration,
}

const PATIENCE: Patience = Patience { handshake: Duration::from_secs(10), head: Duration::from_secs(30) };
/// A silent HTTP/2 connection is asked whether it is still there, and has so long to say so.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// The operating system had no place for another connection; it may have one after this time.
const PAUSE: Duration = Duration::from_secs(1);

/// What every connection is served with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    router: Router,
    tls: Option<TlsAcceptor>,
    patience: Patience,
    places: Places,
    stop: CancellationToken,
}

impl Connections {
    /// Serves `router`, under TLS if there is an acceptor, until `stop`.
    pub(super) fn new(
        router: Router,
        tls: Option<TlsAcceptor>,
        places: Places,
        stop: CancellationToken,
    ) -> Self {
        Self { router, tls, patience: PATIENCE, places, stop }
    }

    /// Accepts until it is time to stop; ends when every connection has. Dropped earlier, it cuts them off.
    pub(super) async fn accept(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match self.places.take(peer.ip()) {
                    Some(place) => {
                        let connection = self.clone().connection(stream, peer);
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    None => self.places.refuse(stream, self.tls.is_some()),
                },
                Err(error) if is_theirs(error.kind()) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        // Small answers must not wait for more to send; a socket that refuses still works.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.speak(stream, peer, false).await };
        let handshake = timeout(self.patience.handshake, tls.accept(stream));
        match self.stop.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => {
                let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
                self.speak(stream, peer, is_http_2).await;
            }
            Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "no TLS handshake"),
            Some(Err(_)) => tracing::debug!(%peer, "no TLS handshake in time"),
            None => {}
        }
    }

    /// Answers what comes on one connection. A request that is under way when it is time to stop is answered.
    async fn speak<I>(&self, io: I, peer: SocketAddr, is_http_2: bool)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let http = self.http(is_http_2);
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), self.service(peer)));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, error, "a connection ended badly");
        }
    }

    /// One version and no guessing: the builder has no deadline for the bytes from which it would guess. HTTP/2 is
    /// spoken where the handshake agreed on it.
    fn http(&self, is_http_2: bool) -> Builder<TokioExecutor> {
        let http = Builder::new(TokioExecutor::new());
        let mut http = if is_http_2 { http.http2_only() } else { http.http1_only() };
        http.http1().timer(TokioTimer::new()).header_read_timeout(self.patience.head);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HEARTBEAT)
            .keep_alive_timeout(self.patience.handshake);
        http
    }

    /// The router, which learns who is on the other side.
    fn service(
        &self,
        peer: SocketAddr,
    ) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + use<> {
        let router = self.router.clone();
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            tower::Service::call(&mut router.clone(), request)
        })
    }
}

/// Errors of one connection that was gone before it was accepted.
const fn is_theirs(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests;
