//! What is open to one server, over whichever transport.

use portcullis_outbound::Outbound;
use serde_json::value::RawValue;

use crate::heard::Inbox;
use crate::legacy::Legacy;
use crate::listening::{Opened, Subscribed};
use crate::pool::Settings;
use crate::stdio::{Child, Spawner};
use crate::streamable::HttpSession;
use crate::{Endpoint, Era, Failure, Greeting, Request, Subscription, Transport};

/// What every session of a pool shares.
pub(crate) struct Context {
    pub(crate) outbound: Outbound,
    pub(crate) settings: Settings,
    pub(crate) inbox: Inbox,
    pub(crate) spawner: Spawner,
}

/// Why a request has no result, as a session sees it.
pub(crate) enum Trouble {
    /// For good.
    Failed(Failure),
    /// The server does not know this session, or not this era any more: it did nothing. With what it said.
    Unknown(Failure),
}

impl Trouble {
    /// What is told of it where nothing more is tried.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure) | Self::Unknown(failure) => failure,
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One open session.
pub(crate) struct Session {
    way: Way,
    /// Resources of which its server tells, in the eras in which it was asked for each.
    pub(crate) subscribed: Subscribed,
}

/// How it is spoken.
enum Way {
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
        Ok(Self { way: Way::open(context, endpoint).await?, subscribed: Subscribed::default() })
    }

    pub(crate) fn greeting(&self) -> &Greeting {
        match &self.way {
            Way::Http(session) => session.greeting(),
            Way::Legacy(session) => session.greeting(),
            Way::Stdio(session) => session.greeting(),
        }
    }

    pub(crate) fn has_sessions(&self) -> bool {
        self.greeting().revision.era() == Era::Session
    }

    /// Whether it can still be used, as far as is known.
    pub(crate) fn is_alive(&self) -> bool {
        match &self.way {
            Way::Http(_) => true,
            Way::Legacy(session) => session.is_alive(),
            Way::Stdio(session) => session.is_alive(),
        }
    }

    pub(crate) async fn request(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Box<RawValue>, Trouble> {
        match &self.way {
            Way::Http(session) => Box::pin(session.request(endpoint, request)).await,
            Way::Legacy(session) => Ok(session.request(endpoint, request).await?),
            Way::Stdio(session) => Ok(session.request(endpoint, request).await?),
        }
    }

    /// Opens a stream of changes, as the transport has it.
    pub(crate) async fn stream(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Opened, Trouble> {
        match &self.way {
            Way::Http(session) => Box::pin(session.listen(endpoint, subscription)).await,
            Way::Legacy(session) => Ok(session.listen(endpoint, subscription).await?),
            Way::Stdio(session) => Ok(session.listen(endpoint, subscription).await?),
        }
    }

    /// Tells the server that it is over, where that is told, and waits for the end of a child.
    pub(crate) async fn close(&self) {
        match &self.way {
            Way::Http(session) => session.close().await,
            Way::Legacy(session) => session.close(),
            Way::Stdio(session) => session.close().await,
        }
    }
}

impl Way {
    async fn open(context: &Context, endpoint: &Endpoint) -> Result<Self, Failure> {
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
}

/// Of two ways that failed, the reason that says more: the older one's, unless it found nothing there either.
fn explained(failure: Failure, older: Failure) -> Failure {
    match older {
        Failure::Status { .. } | Failure::NotMcp { .. } => failure,
        older => older,
    }
}
