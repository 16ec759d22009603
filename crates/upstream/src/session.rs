//! What is open to one server, over whichever transport.

use portcullis_outbound::Outbound;
use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::legacy::Legacy;
use crate::pool::{Heard, Settings};
use crate::stdio::{Child, Spawner};
use crate::streamable::HttpSession;
use crate::{Endpoint, Failure, Greeting, Listening, Request, Subscription, Transport};

/// What every session of a pool shares.
pub(crate) struct Context {
    pub(crate) outbound: Outbound,
    pub(crate) settings: Settings,
    pub(crate) heard: broadcast::Sender<Heard>,
    pub(crate) spawner: Spawner,
}

/// Why a request has no result, as a session sees it.
pub(crate) enum Trouble {
    /// For good.
    Failed(Failure),
    /// The server does not know this session, or not this era any more: it did nothing. With what it said.
    Unknown(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One open session.
pub(crate) enum Session {
    /// Streamable HTTP, of either era.
    Http(HttpSession),
    /// HTTP with SSE of 2024-11-05.
    Legacy(Legacy),
    /// A child.
    Stdio(Child),
}

impl Session {
    /// Opens one: finds out what the server speaks, and greets it.
    pub(crate) async fn open(context: &Context, endpoint: &Endpoint) -> Result<Self, Failure> {
        match &endpoint.transport {
            Transport::Http(target) => {
                match Box::pin(HttpSession::open(context, endpoint, target)).await {
                    // What the specification of 2025-03-26 says of servers that are older.
                    Err(failure @ Failure::Status { status: 400 | 404 | 405 }) if target.legacy_sse => {
                        let opening = Box::pin(Legacy::open(context, endpoint, target));
                        opening.await.map(Self::Legacy).map_err(|older| explained(failure, older))
                    }
                    opened => opened.map(Self::Http),
                }
            }
            Transport::Stdio(program) => {
                Box::pin(Child::open(context, endpoint, program)).await.map(Self::Stdio)
            }
        }
    }

    pub(crate) fn greeting(&self) -> &Greeting {
        match self {
            Self::Http(session) => session.greeting(),
            Self::Legacy(session) => session.greeting(),
            Self::Stdio(session) => session.greeting(),
        }
    }

    /// Whether it can still be used, as far as is known.
    pub(crate) fn is_alive(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Legacy(session) => session.is_alive(),
            Self::Stdio(session) => session.is_alive(),
        }
    }

    pub(crate) async fn request(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Box<RawValue>, Trouble> {
        match self {
            Self::Http(session) => Box::pin(session.request(endpoint, request)).await,
            Self::Legacy(session) => Ok(session.request(endpoint, request).await?),
            Self::Stdio(session) => Ok(session.request(endpoint, request).await?),
        }
    }

    pub(crate) async fn listen(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Listening, Failure> {
        match self {
            Self::Http(session) => Box::pin(session.listen(endpoint, subscription)).await,
            Self::Legacy(session) => session.listen(endpoint, subscription),
            Self::Stdio(session) => session.listen(endpoint, subscription),
        }
    }

    /// Tells the server that it is over, where that is told, and waits for the end of a child.
    pub(crate) async fn close(&self) {
        match self {
            Self::Http(session) => session.close().await,
            Self::Legacy(session) => session.close(),
            Self::Stdio(session) => session.close().await,
        }
    }
}

/// Of two ways that failed, the reason that says more: the older one's, unless it found nothing there either.
fn explained(failure: Failure, older: Failure) -> Failure {
    match older {
        Failure::Status { .. } | Failure::NotMcp { .. } => failure,
        older => older,
    }
}
