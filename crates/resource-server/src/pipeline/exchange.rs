//! One request and its answer: plain JSON when it comes soon and nothing is said before, else a stream of events that ends with
//! the answer.
//! In the stateless era a client that closes the stream cancels what it asked for (HTTP26-15); in the era of sessions the
//! work goes on (HTTP25-13).

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep};
use tokio_stream::wrappers::ReceiverStream;

/// An answer that takes longer begins as a stream: some clients can say nothing else, not even that they changed their mind,
/// before it has begun.
const SOON: Duration = Duration::from_secs(1);
/// So often a silent stream says that it is alive; proxies close what rests for a minute.
const BEAT: Duration = Duration::from_secs(15);
/// So many events wait for a client that reads slowly.
const WAITING: usize = 16;
/// No answer is larger.
const LARGEST: usize = 4 * 1024 * 1024;

/// Answers with the response that `work` makes, after everything that `said` gives meanwhile.
pub(super) async fn answer(
    work: impl Future<Output = Response> + Send + 'static,
    mut said: mpsc::Receiver<Value>,
) -> Response {
    let mut work = Box::pin(work);
    let first = tokio::select! {
        biased;
        Some(first) = said.recv() => said_as(&first),
        response = &mut work => return response,
        () = sleep(SOON) => alive(),
    };
    let (events, body) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        let mut next = Some(first);
        // Ends, and drops the work with it, when nobody reads any more.
        while let Some(bytes) = next.take() {
            if events.send(Ok(bytes)).await.is_err() {
                return;
            }
            next = tokio::select! {
                biased;
                () = events.closed() => None,
                Some(more) = said.recv() => Some(said_as(&more)),
                response = &mut work => {
                    drop(events.send(Ok(last(response).await)).await);
                    None
                }
                _ = beat.tick() => Some(alive()),
            };
        }
    });
    stream(body)
}

/// A response of events.
pub(super) fn stream(events: mpsc::Receiver<Result<Bytes, std::convert::Infallible>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // HTTP26-16: what stands between must not wait for more
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(ReceiverStream::new(events))).into_response()
}

/// One message as an event. JSON on one line needs no more.
pub(super) fn event(message: &impl Serialize) -> Bytes {
    let text = serde_json::to_string(message).unwrap_or_default();
    Bytes::from(format!("event: message\ndata: {text}\n\n"))
}

/// What a line says: a message, or nothing but that the work goes on.
fn said_as(said: &Value) -> Bytes {
    if said.is_null() { alive() } else { event(said) }
}

/// A sign of life, which is no event.
pub(super) fn alive() -> Bytes {
    Bytes::from_static(b":\n\n")
}

/// The answer as the last event. Every response is one message of JSON by now.
async fn last(response: Response) -> Bytes {
    let body = to_bytes(response.into_body(), LARGEST).await.unwrap_or_default();
    Bytes::from([b"event: message\ndata: ".as_slice(), &body, b"\n\n"].concat())
}
