//! One request and its answer, over a connection that is made for it and ends with it.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, IF_NONE_MATCH,
    USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::target::Target;
use crate::{Failure, Outgoing};

pub(crate) const AGENT: &str = concat!("Portcullis/", env!("CARGO_PKG_VERSION"));

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its status, whatever it is: redirects are not followed.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Connects to one of the addresses that were judged, and asks.
pub(crate) async fn run(
    tls: &TlsConnector,
    (target, addresses): (&Target, &[SocketAddr]),
    outgoing: Outgoing<'_>,
) -> Result<Incoming, Failure> {
    match connect(tls, target, addresses).await? {
        Wire::Plain(stream) => ask(stream, target, outgoing).await,
        Wire::Tls(stream) => ask(stream, target, outgoing).await,
    }
}

/// An open connection to an address that was judged.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to the first of the addresses that takes it.
pub(crate) async fn connect(
    tls: &TlsConnector,
    target: &Target,
    addresses: &[SocketAddr],
) -> Result<Wire, Failure> {
    let stream = TcpStream::connect(addresses).await.map_err(Failure::Connection)?;
    // Requests are small and each is waited for.
    stream.set_nodelay(true).map_err(Failure::Connection)?;
    if !target.is_tls() {
        return Ok(Wire::Plain(stream));
    }
    let name = ServerName::try_from(target.host()).map_err(|_| Failure::Url)?;
    Ok(Wire::Tls(Box::new(tls.connect(name, stream).await.map_err(Failure::Tls)?)))
}

async fn ask<S>(stream: S, target: &Target, outgoing: Outgoing<'_>) -> Result<Incoming, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = outgoing.limit;
    let request = request(target, outgoing).map_err(|_| Failure::Url)?;
    // hyper gives up on a head of more than some 400 KB.
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
    // Ends with this scope, and the connection with it, however far the answer was read.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let (head, mut body) = sender.send_request(request).await.map_err(Failure::Http)?.into_parts();
    refuse_encoded(&head.headers)?;
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Failure::Http)?.into_data() else { continue };
        if read.len() + data.len() > limit {
            return Err(Failure::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(Incoming { status: head.status, headers: head.headers, body: read.freeze() })
}

/// A compressed answer was not asked for; what it would unfold to is never found out (A29).
pub(crate) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Failure::Encoded),
        _ => Ok(()),
    }
}

fn request(target: &Target, outgoing: Outgoing<'_>) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(outgoing.method)
        .uri(target.path())
        .header(HOST, target.authority())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, outgoing.accept)
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close");
    if let Some(etag) = outgoing.etag {
        request = request.header(IF_NONE_MATCH, HeaderValue::from_str(etag)?);
    }
    if let Some(authorization) = outgoing.authorization {
        let mut value = HeaderValue::from_str(authorization)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let body = match outgoing.body {
        Some((content_type, body)) => {
            request = request.header(CONTENT_TYPE, content_type);
            body
        }
        None => Bytes::new(),
    };
    request.body(Full::new(body))
}
