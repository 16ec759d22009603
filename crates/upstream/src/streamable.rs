//! Streamable HTTP, of both eras: what is open to one server.

mod headers;
pub(crate) mod listening;
mod opening;
mod stream;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::endpoint::Headers;
use crate::handshake::{FIRST_ID, UNSUPPORTED_VERSION};
use crate::session::{Context, Trouble};
use crate::talk::Listener;
use crate::{Endpoint, Era, Failure, Greeting, HttpTarget, Listening, Request, Subscription, message, meta};
use listening::Changes;
use stream::Stream;
use wire::Reply;

pub(crate) use wire::Wire;

/// So long a server is told that a request is cancelled.
const CANCELLING: Duration = Duration::from_secs(2);

/// One server over HTTP, greeted.
pub(crate) struct HttpSession {
    wire: Arc<Wire>,
    greeting: Greeting,
    /// `Mcp-Session-Id`, if the server gave one.
    id: Option<HeaderValue>,
    requests: AtomicU64,
    closed: CancellationToken,
}

/// A request as it goes out.
struct Outgoing {
    id: u64,
    named: HeaderMap,
    token: Option<Box<RawValue>>,
    reply: Reply,
    cancelling: Cancelling,
}

impl HttpSession {
    /// Finds out what the server speaks.
    pub(crate) async fn open(
        context: &Context,
        endpoint: &Endpoint,
        target: &HttpTarget,
    ) -> Result<Self, Failure> {
        let wire = Arc::new(Wire::new(context, endpoint, target)?);
        let opened = opening::open(&wire, endpoint).await?;
        let (requests, closed) = (AtomicU64::new(FIRST_ID), CancellationToken::new());
        Ok(Self { wire, greeting: opened.greeting, id: opened.session, requests, closed })
    }

    pub(crate) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    fn has_sessions(&self) -> bool {
        self.greeting.revision.era() == Era::Session
    }

    /// One request.
    pub(crate) async fn request(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Box<RawValue>, Trouble> {
        let Outgoing { id, named, token, reply, cancelling } = self.send(endpoint, request).await?;
        let status = reply.status;
        let outcome = if !reply.is_success() {
            Err(reply.into_refusal().await)
        } else if reply.is_stream() {
            let listener = Listener { events: request.events.clone(), id, token: token.map(Into::into) };
            let (wire, credentials) = (self.wire.clone(), endpoint.headers.clone());
            let has_sessions = self.has_sessions();
            Stream { wire, credentials, named, listener, has_sessions }.answer(reply).await
        } else {
            reply.into_result(id, &self.wire).await
        };
        cancelling.disarm();
        outcome.map_err(|failure| {
            if self.is_unknown(status, &failure) {
                Trouble::Unknown(failure)
            } else {
                Trouble::Failed(failure)
            }
        })
    }

    async fn send(&self, endpoint: &Endpoint, request: &Request) -> Result<Outgoing, Trouble> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let revision = self.greeting.revision;
        let prepared = meta::prepare(request.params.as_deref(), revision, &endpoint.capabilities, id)?;
        let params = prepared.params.as_deref();
        let body = message::request(id, &request.method, params)?;
        let named = headers::of_revision(revision, self.id.as_ref());
        let mut all = named.clone();
        let cancelling = if self.has_sessions() {
            Cancelling::armed(id, &self.wire, &endpoint.headers, &named)
        } else {
            headers::mirror(&mut all, request, params)?;
            Cancelling::unneeded()
        };
        let sent = self.wire.post(&endpoint.headers, all, body).await;
        let reply = match sent {
            Ok(reply) => reply,
            Err(failure) => {
                cancelling.disarm();
                return Err(failure.into());
            }
        };
        Ok(Outgoing { id, named, token: prepared.token, reply, cancelling })
    }

    /// Whether a refusal says that the server did nothing because it does not know this session, or this era, any more.
    fn is_unknown(&self, status: u16, failure: &Failure) -> bool {
        match failure {
            // 2025-11-25, "Session Management": 404 to a request with a session id, whatever the body says.
            Failure::Status { .. } | Failure::Rpc(_) if self.has_sessions() => status == 404,
            Failure::Rpc(error) => error.code == UNSUPPORTED_VERSION,
            Failure::Status { .. } => matches!(status, 400 | 404 | 405),
            _ => false,
        }
    }

    /// A stream of changes.
    pub(crate) async fn listen(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Listening, Failure> {
        let mut tasks = JoinSet::new();
        let named = headers::of_revision(self.greeting.revision, self.id.as_ref());
        let reply = if self.has_sessions() {
            self.wire.get(&endpoint.headers, named.clone(), None).await?
        } else {
            let request = Request::new(listening::LISTEN).with(listening::filter(subscription)?);
            match self.send(endpoint, &request).await {
                Ok(outgoing) => outgoing.reply,
                Err(Trouble::Failed(failure) | Trouble::Unknown(failure)) => return Err(failure),
            }
        };
        match reply.status {
            // 405 to a GET: this server has nothing to say by itself.
            405 if self.has_sessions() => return Ok(Listening { tasks, in_use: None }),
            _ if !reply.is_success() => return Err(reply.into_refusal().await),
            _ if !reply.is_stream() => return Err(Failure::not_mcp("no stream of events")),
            _ => {}
        }
        let changes = Changes { wire: self.wire.clone(), credentials: endpoint.headers.clone(), named };
        let closed = self.closed.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = changes.read(reply) => {}
            }
        });
        Ok(Listening { tasks, in_use: None })
    }

    /// Ends the session, where the server keeps one.
    pub(crate) async fn close(&self) {
        self.closed.cancel();
        if self.id.is_some() {
            let named = headers::of_revision(self.greeting.revision, self.id.as_ref());
            self.wire.farewell(named).await;
        }
    }
}

/// Tells the server, unless the request ended by itself, that nobody waits any more. In the eras of sessions a broken
/// connection says nothing (2025-11-25, "Sending Messages to the Server"); in the stateless one it says just this.
struct Cancelling(Option<(u64, Arc<Wire>, Headers, HeaderMap)>);

impl Cancelling {
    fn armed(id: u64, wire: &Arc<Wire>, credentials: &Headers, named: &HeaderMap) -> Self {
        Self(Some((id, wire.clone(), credentials.clone(), named.clone())))
    }

    fn unneeded() -> Self {
        Self(None)
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Cancelling {
    fn drop(&mut self) {
        let (Some((id, wire, credentials, named)), Ok(runtime)) = (self.0.take(), Handle::try_current())
        else {
            return;
        };
        runtime.spawn(timeout(CANCELLING, async move {
            if let Ok(body) = meta::cancelled(id)
                && let Ok(reply) = wire.post(&credentials, named, body).await
            {
                reply.finish();
            }
        }));
    }
}
