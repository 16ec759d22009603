//! A body that is written while it is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

/// What was written and not read yet.
pub(crate) struct Written(mpsc::Receiver<io::Result<Bytes>>);

/// A body, and where to write it. An error breaks the connection.
pub(crate) fn written() -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (writer, reader) = mpsc::channel(16);
    (writer, Body::new(Written(reader)))
}

impl http_body::Body for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }
}
