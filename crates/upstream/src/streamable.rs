//! Streamable HTTP, of both eras: what is open to one server.

mod headers;
mod listening;
mod mirroring;
mod opening;
mod stream;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::endpoint::Headers;
use crate::handshake::{FIRST_ID, HEADER_MISMATCH, UNSUPPORTED_VERSION};
use crate::listening::{self as changes, Opened};
use crate::session::{Context, Trouble};
use crate::talk::{Listener, PING};
use crate::{Endpoint, Era, Failure, Greeting, HttpTarget, Request, Subscription, message, meta};
use listening::Changes;
use mirroring::Mirrors;
use stream::Stream;
use wire::Reply;

pub(crate) use wire::Wire;

const TOOLS: &str = "tools/list";
const CALL: &str = "tools/call";
/// So many pages of tools are read for what they want mirrored.
const PAGES: usize = 20;
/// So long a server is told that a request is cancelled.
const CANCELLING: Duration = Duration::from_secs(2);

/// So often a stream is asked for where another one is still open, and so long it is waited for each time.
const CLOSING: usize = 10;
const NOTICED: Duration = Duration::from_millis(100);

/// One server over HTTP, greeted.
pub(crate) struct HttpSession {
    wire: Arc<Wire>,
    greeting: Greeting,
    /// `Mcp-Session-Id`, if the server gave one.
    id: Option<HeaderValue>,
    requests: AtomicU64,
    mirrors: Mirrors,
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
        let (greeting, id) = (opened.greeting, opened.session);
        Ok(Self { wire, greeting, id, requests, mirrors: Mirrors::default(), closed })
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
        if self.has_sessions() {
            return self.once(endpoint, request).await;
        }
        match self.once(endpoint, request).await {
            Ok(result) if request.method == TOOLS => Ok(self.mirrors.learn(request, result)?),
            // "Client Behavior": the tool wants a parameter mirrored that was not, and nothing was done.
            Err(Trouble::Failed(Failure::Rpc(error)))
                if error.code == HEADER_MISMATCH && request.method == CALL =>
            {
                self.relist(endpoint, request.within).await?;
                self.once(endpoint, request).await
            }
            outcome => outcome,
        }
    }

    /// Reads the tools anew, for what they want mirrored.
    async fn relist(&self, endpoint: &Endpoint, within: Duration) -> Result<(), Trouble> {
        let mut request = Request::new(TOOLS).within(within);
        for _ in 0..PAGES {
            let result = self.mirrors.learn(&request, self.once(endpoint, &request).await?)?;
            let Some(next) = mirroring::next_page(&result)? else { break };
            request = request.with(next);
        }
        Ok(())
    }

    async fn once(&self, endpoint: &Endpoint, request: &Request) -> Result<Box<RawValue>, Trouble> {
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
        outcome.map_err(|failure| self.trouble(status, failure))
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
            let mirrored = if request.method == CALL { self.mirrors.values(params) } else { Vec::new() };
            headers::mirror(&mut all, &request.method, params, &mirrored)?;
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

    fn trouble(&self, status: u16, failure: Failure) -> Trouble {
        if self.is_unknown(status, &failure) { Trouble::Unknown(failure) } else { Trouble::Failed(failure) }
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

    /// A stream of changes. In the stateless era its server says first of what it tells.
    pub(crate) async fn listen(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Opened, Trouble> {
        let mut tasks = JoinSet::new();
        let named = headers::of_revision(self.greeting.revision, self.id.as_ref());
        let reply = if self.has_sessions() {
            match self.own_stream(endpoint, &named).await? {
                Some(reply) => reply,
                None => return Ok(Opened { tasks, acknowledged: None }),
            }
        } else {
            let request = Request::new(changes::LISTEN).with(changes::filter(subscription)?);
            self.send(endpoint, &request).await?.reply
        };
        if !reply.is_success() || !reply.is_stream() {
            let status = reply.status;
            return Err(self.trouble(status, reply.into_refusal().await));
        }
        let (told, acknowledged) = oneshot::channel();
        let (wire, credentials, closed) = (self.wire.clone(), endpoint.headers.clone(), self.closed.clone());
        let changes = Changes { wire, credentials, named, told: Some(told) };
        tasks.spawn(async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = changes.read(reply) => {}
            }
        });
        let acknowledged = if self.has_sessions() { None } else { changes::acknowledged(acknowledged).await };
        Ok(Opened { tasks, acknowledged })
    }

    /// The stream of the session; nothing where the server has nothing to say by itself.
    async fn own_stream(&self, endpoint: &Endpoint, named: &HeaderMap) -> Result<Option<Reply>, Trouble> {
        for _ in 0..CLOSING {
            let reply = self.wire.get(&endpoint.headers, named.clone(), None).await?;
            match reply.status {
                405 => return Ok(None),
                // There is no such session, or no such address: a server that knows the session tells them apart.
                404 => {
                    reply.finish();
                    return self.once(endpoint, &Request::new(PING)).await.map(|_| None);
                }
                // It allows one, and has not noticed yet that the last one is closed.
                409 => reply.finish(),
                _ => return Ok(Some(reply)),
            }
            sleep(NOTICED).await;
        }
        Err(Failure::Status { status: 409 }.into())
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
