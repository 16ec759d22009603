//! The client's side of HTTP/1.1: one keep-alive connection, one request at a time, as cheap as it can be, so that the
//! load is not what is measured. Only loopback is ever spoken to.

use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// An answer larger than this is a mistake.
const LARGEST: usize = 1024 * 1024;

/// A connection that is used again and again.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, in the connection's buffer until the next request.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

struct Head {
    status: u16,
    length: usize,
    body: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        Ok(Self { address, stream: connect(address).await?, buffer: Vec::with_capacity(32 * 1024) })
    }

    /// Sends a request and reads its answer whole.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer<'_>> {
        self.send(request).await?;
        let head = loop {
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
            self.fill().await?;
        };
        let end = head.body + head.length;
        while self.buffer.len() < end {
            self.fill().await?;
        }
        let part = |range: Range<usize>| self.buffer.get(range).unwrap_or_default();
        Ok(Answer { status: head.status, head: part(0..head.body), body: part(head.body..end) })
    }

    /// Sends a request whose answer is a stream, and reads no more than that it has begun.
    pub(crate) async fn begin(&mut self, request: &[u8]) -> Outcome<()> {
        self.send(request).await?;
        let text = String::from_utf8_lossy(&self.buffer);
        if text.starts_with("HTTP/1.1 200 ") && text.contains("text/event-stream") {
            return Ok(());
        }
        Err(format!("no stream began: {text}").into())
    }

    /// Whether the stream that began has said nothing but that it goes on: no event with data.
    pub(crate) fn still_waits(&mut self) -> Outcome<()> {
        let mut said = [0; 4_096];
        loop {
            match self.stream.try_read(&mut said) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => {
                    let text = String::from_utf8_lossy(said.get(..read).unwrap_or_default()).into_owned();
                    if text.contains("data:") {
                        return Err(format!("a call does not wait any more: {text}").into());
                    }
                }
            }
        }
    }

    /// Sends a request and waits for the first bytes of its answer. A connection that the server closed while others were
    /// measured is opened anew.
    async fn send(&mut self, request: &[u8]) -> Outcome<()> {
        self.buffer.clear();
        let written = self.stream.write_all(request).await;
        if written.is_ok() && self.fill().await.is_ok() {
            return Ok(());
        }
        self.stream = connect(self.address).await?;
        self.stream.write_all(request).await?;
        self.fill().await
    }

    async fn fill(&mut self) -> Outcome<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        if read == 0 || self.buffer.len() > LARGEST {
            return Err("the server closed the connection, or its answer has no end".into());
        }
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn head(buffer: &[u8]) -> Outcome<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body) = response.parse(buffer)? else { return Ok(None) };
    let value = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let length = match value("content-length") {
        Some(length) => length.parse()?,
        None if value("transfer-encoding").is_some() => {
            return Err("a chunked answer was not expected".into());
        }
        None => 0,
    };
    Ok(Some(Head { status: response.code.unwrap_or_default(), length, body }))
}

impl Answer<'_> {
    /// The text of the body.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body).unwrap_or_default()
    }

    /// A header's first value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// A header's values.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let text = std::str::from_utf8(self.head).unwrap_or_default();
        text.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Fails unless the status is this one.
    pub(crate) fn expect_status(&self, status: u16) -> Outcome<()> {
        if self.status == status {
            return Ok(());
        }
        let body: String = self.text().chars().take(300).collect();
        Err(format!("the answer was {} and not {status}: {body}", self.status).into())
    }
}

/// A request as it stands on the wire.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\n");
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    if !body.is_empty() || line.starts_with("POST") {
        text.push_str("content-length: ");
        text.push_str(&body.len().to_string());
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// A form as a body or a query holds it.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
