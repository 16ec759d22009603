//! Streamable HTTP, of both eras: what is open to one server.

mod headers;
mod opening;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, Method};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use crate::session::{Context, Trouble};
use crate::{Endpoint, Era, Failure, Greeting, HttpTarget, Listening, Request, Subscription, message, meta};
use wire::{Reply, Wire};

/// One server over HTTP, greeted.
pub(crate) struct HttpSession {
    wire: Wire,
    greeting: Greeting,
    /// `Mcp-Session-Id`, if the server gave one.
    id: Option<HeaderValue>,
    requests: AtomicU64,
}

impl HttpSession {
    /// Finds out what the server speaks.
    pub(crate) async fn open(
        context: &Context,
        endpoint: &Endpoint,
        target: &HttpTarget,
    ) -> Result<Self, Failure> {
        let wire = Wire::new(context, endpoint, target)?;
        let opened = opening::open(&wire, endpoint).await?;
        // The first ids were used for opening.
        Ok(Self { wire, greeting: opened.greeting, id: opened.session, requests: AtomicU64::new(10) })
    }

    pub(crate) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// One request.
    pub(crate) async fn request(
        &self,
        _context: &Context,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Box<RawValue>, Trouble> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let revision = self.greeting.revision;
        let prepared = meta::prepare(request.params.as_deref(), revision, &endpoint.capabilities, id)?;
        let params = prepared.params.as_deref();
        let body = message::request(id, &request.method, params)?;
        let mut headers = headers::of_revision(revision, self.id.as_ref());
        if revision.era() == Era::Stateless {
            headers::mirror(&mut headers, request, params)?;
        }
        let reply = self.wire.post(&endpoint.headers, headers, body).await?;
        match reply {
            // Transports §Session Management: the session is gone, and nothing was done.
            Reply { status: 404, .. } if self.id.is_some() => Err(Trouble::Unknown),
            reply => Ok(reply.into_result(id, &self.wire).await?),
        }
    }

    /// A stream of changes.
    pub(crate) async fn listen(
        &self,
        _context: &Context,
        _endpoint: &Endpoint,
        _subscription: &Subscription,
    ) -> Result<Listening, Failure> {
        Ok(Listening(JoinSet::new()))
    }

    /// Ends the session, where the server keeps one.
    pub(crate) async fn close(&self) {
        if self.id.is_some() {
            let headers = headers::of_revision(self.greeting.revision, self.id.as_ref());
            self.wire.farewell(Method::DELETE, headers).await;
        }
    }
}
