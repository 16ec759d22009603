//! Requests to one origin over connections that are kept between them, each to an address that was judged when it was
//! made. Answers are read as they come; how much of them and for how long is the caller's to say.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::exchange::{AGENT, Wire, refuse_encoded};
use crate::target::Target;
use crate::{Failure, Outbound, Unreachable};

/// A connection that rested longer is not used again: common servers close theirs after five seconds, and a request that
/// meets the closing may or may not have been seen.
const RESTED: Duration = Duration::from_secs(4);
/// So many connections rest; more are closed. As many as one server is asked at once, or each burst would open some anew.
const RESTING: usize = 16;
/// What follows the part of an answer that mattered is read away so far and so long, to keep its connection.
const DREGS: usize = 64 * 1_024;
const DREGS_TIME: Duration = Duration::from_secs(1);

/// Kept connections to one origin. Cheap to clone; the last clone closes them.
#[derive(Clone)]
pub struct Lane(Arc<Inner>);

struct Inner {
    outbound: Outbound,
    target: Target,
    resting: Mutex<Vec<Connection>>,
}

/// An open connection that nobody uses at the moment, or whose answer is being read.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
    /// Ends with this value, and the connection with it, however far an answer was read.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

/// One request: what it says besides where it goes.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Its method.
    pub method: Method,
    /// Its headers; `Host`, `User-Agent` and `Accept-Encoding` are set for it.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// An answer that is being read.
#[derive(Debug)]
pub struct Streaming {
    /// Its status, whatever it is: redirects are not followed.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body,
}

/// What is left of an answer. Dropped before its end it closes the connection, which tells the other side.
pub struct Body {
    incoming: hyper::body::Incoming,
    connection: Option<Connection>,
    home: Arc<Inner>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.0.target.authority()).finish()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Lane {
    pub(crate) fn new(outbound: Outbound, target: Target) -> Self {
        Self(Arc::new(Inner { outbound, target, resting: Mutex::default() }))
    }

    /// Sends one request and gives its answer as soon as the head is there.
    ///
    /// # Errors
    /// [`Failure::Lost`] when the request went out and no answer came: it may have been carried out. Anything else, when it
    /// did not go out.
    pub async fn send(&self, parcel: Parcel) -> Result<Streaming, Unreachable> {
        let mut request = self.request(parcel)?;
        while let Some(mut connection) = self.0.take() {
            if connection.sender.ready().await.is_err() {
                continue;
            }
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok(self.streaming(connection, response)?),
                // The connection had ended before the request was written: it is sent over another one.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Lost(error.into_error()).into()),
                },
            }
        }
        let mut connection = match self.0.outbound.connect(&self.0.target).await? {
            Wire::Plain(stream) => Connection::over(stream).await?,
            Wire::Tls(stream) => Connection::over(*stream).await?,
        };
        let response = connection.sender.send_request(request).await.map_err(Failure::Lost)?;
        Ok(self.streaming(connection, response)?)
    }

    /// The address that `reference` names as seen from here, if it is of the same origin.
    #[must_use]
    pub fn beside(&self, reference: &str) -> Option<String> {
        self.0.target.beside(reference)
    }

    fn request(&self, parcel: Parcel) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::new(Full::new(parcel.body));
        *request.method_mut() = parcel.method;
        *request.uri_mut() = self.0.target.path().parse().map_err(|_| Failure::Url)?;
        *request.headers_mut() = parcel.headers;
        let host = HeaderValue::from_str(&self.0.target.authority()).map_err(|_| Failure::Url)?;
        for (name, value) in [
            (HOST, host),
            (USER_AGENT, HeaderValue::from_static(AGENT)),
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        ] {
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    fn streaming(
        &self,
        connection: Connection,
        response: http::Response<hyper::body::Incoming>,
    ) -> Result<Streaming, Failure> {
        let (head, incoming) = response.into_parts();
        refuse_encoded(&head.headers)?;
        let body = Body { incoming, connection: Some(connection), home: self.0.clone() };
        Ok(Streaming { status: head.status, headers: head.headers, body })
    }
}

impl Inner {
    fn resting(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that rested shortest, if any is still good.
    fn take(&self) -> Option<Connection> {
        let mut resting = self.resting();
        resting.retain(|connection| connection.since.elapsed() < RESTED && !connection.sender.is_closed());
        resting.pop()
    }

    fn rest(&self, mut connection: Connection) {
        connection.since = Instant::now();
        let mut resting = self.resting();
        if resting.len() < RESTING && !connection.sender.is_closed() {
            resting.push(connection);
        }
    }
}

impl Connection {
    async fn over<S>(stream: S) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender, since: Instant::now(), _driver: driver })
    }
}

impl Body {
    /// The next piece; nothing after the last, whose connection then serves other requests.
    ///
    /// # Errors
    /// When the answer breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Unreachable> {
        while let Some(frame) = self.incoming.frame().await {
            if let Ok(data) = frame.map_err(Failure::Lost)?.into_data() {
                return Ok(Some(data));
            }
        }
        if let Some(connection) = self.connection.take() {
            self.home.rest(connection);
        }
        Ok(None)
    }

    /// The rest of the answer.
    ///
    /// # Errors
    /// When it is longer than `limit` bytes, or breaks off.
    pub async fn read(mut self, limit: usize) -> Result<Bytes, Unreachable> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let mut read = Vec::new();
        let mut next = Some(first);
        while let Some(data) = next {
            if read.len() + data.len() > limit {
                return Err(Failure::TooLarge.into());
            }
            read.extend_from_slice(&data);
            next = self.next().await?;
        }
        Ok(read.into())
    }

    /// Nothing more of the answer matters; what is left of it is read away, if it is little and comes soon.
    pub fn finish(mut self) {
        tokio::spawn(timeout(DREGS_TIME, async move {
            let mut read = 0;
            while let Ok(Some(data)) = self.next().await {
                read += data.len();
                if read > DREGS {
                    break;
                }
            }
        }));
    }
}
