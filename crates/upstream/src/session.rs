//! What is open to one server, over whichever transport.

use portcullis_outbound::Outbound;
use serde_json::value::RawValue;
use tokio::sync::broadcast;

use crate::pool::{Heard, Settings};
use crate::streamable::HttpSession;
use crate::{Endpoint, Failure, Greeting, Listening, Request, Subscription, Transport};

/// What every session of a pool shares.
pub(crate) struct Context {
    pub(crate) outbound: Outbound,
    pub(crate) settings: Settings,
    pub(crate) heard: broadcast::Sender<Heard>,
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
}

impl Session {
    /// Opens one: finds out what the server speaks, and greets it.
    pub(crate) async fn open(context: &Context, endpoint: &Endpoint) -> Result<Self, Failure> {
        match &endpoint.transport {
            Transport::Http(target) => {
                Ok(Self::Http(Box::pin(HttpSession::open(context, endpoint, target)).await?))
            }
            Transport::Stdio(_) => {
                Err(Failure::Unreachable { cause: "programs are not started by this build".to_owned() })
            }
        }
    }

    pub(crate) fn greeting(&self) -> &Greeting {
        match self {
            Self::Http(session) => session.greeting(),
        }
    }

    /// Whether it can still be used, as far as is known.
    pub(crate) fn is_alive(&self) -> bool {
        match self {
            Self::Http(_) => true,
        }
    }

    pub(crate) async fn request(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Box<RawValue>, Trouble> {
        match self {
            Self::Http(session) => Box::pin(session.request(endpoint, request)).await,
        }
    }

    pub(crate) async fn listen(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Listening, Failure> {
        match self {
            Self::Http(session) => session.listen(endpoint, subscription).await,
        }
    }

    /// Tells the server that it is over, where that is told.
    pub(crate) async fn close(&self) {
        match self {
            Self::Http(session) => session.close().await,
        }
    }
}
