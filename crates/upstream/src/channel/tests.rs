//! A server that is none, on a shared stream.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::heard::Inbox;

/// The way to a server that takes nothing.
struct Full;

impl Outbox for Full {
    fn send(&self, _: Vec<u8>) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::pending())
    }
}

/// T24: who asks and takes no answers is not read on, so that they do not pile up
#[tokio::test]
async fn who_takes_no_answers_is_not_read_on() {
    let channel = Channel::new(Box::new(Full), Board::new("alice:1", &Inbox::default()));
    let question = br#"{"jsonrpc": "2.0", "id": 1, "method": "ping"}"#;
    for _ in 0..AT_ONCE {
        channel.receive(question).await.unwrap();
    }
    let mut one_more = pin!(channel.receive(question));
    assert!(one_more.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // It ends with the channel.
    channel.close(&Failure::Ended);
    one_more.await.unwrap();
}
