//! HTTP with SSE of 2024-11-05: what the server says comes on one stream, what it is told goes to an address that the stream
//! names first. Only where an admin allowed it, and only to the stream's own origin.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use portcullis_outbound::Body;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::channel::{Channel, Outbox};
use crate::endpoint::Headers;
use crate::listening::Opened;
use crate::session::Context;
use crate::sse::Decoder;
use crate::streamable::Wire;
use crate::talk::Board;
use crate::{BoxFuture, Endpoint, Failure, Greeting, HttpTarget, Request, Subscription, channel};

/// So long the stream may take to name the address.
const NAMING: Duration = Duration::from_secs(10);

/// One server, greeted.
pub(crate) struct Legacy {
    channel: Arc<Channel>,
    greeting: Greeting,
    /// Reads the stream; it ends with this value, and the stream with it.
    _reading: JoinSet<()>,
}

/// The address for what the server is told.
struct Post {
    wire: Wire,
    credentials: Headers,
}

impl Outbox for Post {
    fn send(&self, message: Vec<u8>) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let reply = self.wire.post(&self.credentials, HeaderMap::new(), message).await?;
            if !reply.is_success() {
                return Err(reply.into_refusal().await);
            }
            reply.finish();
            Ok(())
        })
    }
}

impl Legacy {
    /// Opens the stream and greets the server.
    pub(crate) async fn open(
        context: &Context,
        endpoint: &Endpoint,
        target: &HttpTarget,
    ) -> Result<Self, Failure> {
        let wire = Wire::new(context, endpoint, target)?;
        let reply = wire.get(&endpoint.headers, HeaderMap::new(), None).await?;
        if !reply.is_success() {
            return Err(reply.into_refusal().await);
        }
        if !reply.is_stream() {
            return Err(Failure::not_mcp("no stream of events"));
        }
        let mut body = reply.into_body();
        let mut decoder = Decoder::new(context.settings.response_limit, u64::MAX);
        let named = timeout(NAMING, address(&mut decoder, &mut body)).await;
        let url = wire.beside(&named.map_err(|_| Failure::Timeout)??)?;
        let post = HttpTarget { url, ..target.clone() };
        let post = Post { wire: Wire::new(context, endpoint, &post)?, credentials: endpoint.headers.clone() };
        let channel = Channel::new(Box::new(post), Board::new(&endpoint.key, &context.inbox));
        let mut reading = JoinSet::new();
        reading.spawn(read(channel.clone(), decoder, body));
        let greeting = channel::initialize(&channel, endpoint).await?;
        Ok(Self { channel, greeting, _reading: reading })
    }

    pub(crate) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.channel.is_open()
    }

    pub(crate) async fn request(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Box<serde_json::value::RawValue>, Failure> {
        let outcome = self.channel.request(endpoint, &self.greeting, request).await;
        // The credential is that of the opening; who has another one by now opens the stream anew.
        if let Err(failure @ Failure::Unauthorized { .. }) = &outcome {
            self.channel.close(failure);
        }
        outcome
    }

    /// Its one stream says all that it says.
    pub(crate) async fn listen(
        &self,
        endpoint: &Endpoint,
        subscription: &Subscription,
    ) -> Result<Opened, Failure> {
        self.channel.listen(endpoint, &self.greeting, subscription).await
    }

    pub(crate) fn close(&self) {
        self.channel.close(&Failure::Ended);
    }
}

/// The address that the stream names first.
async fn address(decoder: &mut Decoder, body: &mut Body) -> Result<String, Failure> {
    match decoder.next(body).await? {
        Some(event) if event.kind == "endpoint" => String::from_utf8(event.data)
            .map_err(|_| Failure::not_mcp("the stream names an address that cannot be read")),
        _ => Err(Failure::not_mcp("the stream does not begin with the address for messages")),
    }
}

async fn read(channel: Arc<Channel>, mut decoder: Decoder, mut body: Body) {
    let why = loop {
        match decoder.next(&mut body).await {
            Ok(Some(event)) => {
                if let Err(failure) = channel.receive(&event.data).await {
                    break failure;
                }
            }
            Ok(None) => break Failure::Lost,
            Err(failure) => break failure,
        }
    };
    channel.close(&why);
}
