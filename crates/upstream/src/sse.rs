//! Server-sent events as they arrive (HTML, "Server-sent events" §9.2.6), bounded: no line, no event and no stream grows
//! beyond what it was given.

use std::time::Duration;

use portcullis_outbound::Body;

use crate::Failure;

/// One event that says something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; `message` unless it says otherwise.
    pub(crate) kind: String,
    /// Its data.
    pub(crate) data: Vec<u8>,
}

/// Reads a stream. Dropped in the middle of a wait it loses nothing.
pub(crate) struct Decoder {
    /// So many bytes one event may have.
    limit: usize,
    /// So many bytes may still come.
    left: u64,
    line: Vec<u8>,
    after_cr: bool,
    kind: String,
    data: Vec<u8>,
    ready: std::collections::VecDeque<Event>,
    /// The id of the last event, to go on after it.
    pub(crate) last_id: Option<String>,
    /// How long to wait before going on.
    pub(crate) retry: Option<Duration>,
}

impl Decoder {
    /// For a stream of events of at most `limit` bytes, and `total` bytes in all.
    pub(crate) fn new(limit: usize, total: u64) -> Self {
        Self {
            limit,
            left: total,
            line: Vec::new(),
            after_cr: false,
            kind: String::new(),
            data: Vec::new(),
            ready: std::collections::VecDeque::new(),
            last_id: None,
            retry: None,
        }
    }

    /// Another stream takes up where this one ended; half an event is forgotten.
    pub(crate) fn restart(&mut self) {
        self.line.clear();
        self.kind.clear();
        self.data.clear();
        self.after_cr = false;
    }

    /// The next event; nothing when the stream is over.
    pub(crate) async fn next(&mut self, body: &mut Body) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.pop().await {
                return Ok(Some(event));
            }
            match body.next().await.map_err(|_| Failure::Lost)? {
                Some(bytes) => self.push(&bytes)?,
                None => return Ok(None),
            }
        }
    }

    /// The next event of those that came already. Others have their turn however many there are.
    async fn pop(&mut self) -> Option<Event> {
        tokio::task::consume_budget().await;
        self.ready.pop_front()
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let too_large = Failure::TooLarge { limit: self.limit };
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| too_large.clone())?;
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), text)) => (text, Some(*end)),
                _ => (piece, None),
            };
            // The second half of CR LF ends no line of its own.
            let is_second_half = std::mem::take(&mut self.after_cr) && end == Some(b'\n') && text.is_empty();
            if is_second_half {
                continue;
            }
            if self.line.len() + self.data.len() + text.len() > self.limit {
                return Err(too_large);
            }
            self.line.extend_from_slice(text);
            if let Some(end) = end {
                self.after_cr = end == b'\r';
                let line = std::mem::take(&mut self.line);
                self.take(&line);
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if line.is_empty() {
            self.dispatch();
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.kind = text(),
            // It goes back in a header.
            b"id" if value.iter().all(|byte| matches!(byte, b' '..=b'~')) => self.last_id = Some(text()),
            b"retry" => self.retry = text().parse().ok().map(Duration::from_millis).or(self.retry),
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let (mut data, kind) = (std::mem::take(&mut self.data), std::mem::take(&mut self.kind));
        // An event without data primes a stream, and says nothing.
        if data.pop().is_some() && !data.is_empty() {
            let kind = if kind.is_empty() { "message".to_owned() } else { kind };
            self.ready.push_back(Event { kind, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = Decoder::new(1_000, 10_000);
        for piece in pieces {
            decoder.push(piece).unwrap();
        }
        let text = |event: Event| (event.kind, String::from_utf8(event.data).unwrap());
        decoder.ready.into_iter().map(text).collect()
    }

    fn message(data: &str) -> (String, String) {
        ("message".to_owned(), data.to_owned())
    }

    #[test]
    fn events_end_with_an_empty_line_however_lines_end() {
        for text in ["data: a\ndata:b\n\n", "data: a\r\ndata:b\r\n\r\n", "data: a\rdata:b\r\r"] {
            assert_eq!(events(&[text.as_bytes()]), [message("a\nb")], "{text:?}");
        }
        assert_eq!(
            events(&[b"\xef\xbb\xbf: comment\nevent: endpoint\ndata: /x\n\ndata\n\nid: 1\ndata:\n\n"]),
            [("endpoint".to_owned(), "/x".to_owned())]
        );
        assert_eq!(events(&[b"data: cut"]), []);
    }

    #[test]
    fn a_stream_says_where_and_when_to_go_on() {
        let mut decoder = Decoder::new(100, 1_000);
        decoder.push(b"id: 7\nretry: 250\ndata:\n\nid: \xff\nretry: soon\n\n").unwrap();
        assert_eq!(decoder.last_id.as_deref(), Some("7"));
        assert_eq!(decoder.retry, Some(Duration::from_millis(250)));
    }

    /// T24: one line, one event, one stream, each has its bound
    #[test]
    fn nothing_grows_without_bound() {
        for endless in [&b"x"[..], b"data: x\n", b": x\n"] {
            let mut decoder = Decoder::new(100, 1_000);
            let refused = (0..2_000).find(|_| decoder.push(endless).is_err());
            assert!(refused.is_some(), "{endless:?}");
            assert!(decoder.line.len() + decoder.data.len() <= 120, "{endless:?}");
        }
    }

    /// T24: a server that writes much at once does not keep others from their turn
    #[tokio::test]
    async fn others_have_their_turn_however_much_came() {
        let mut decoder = Decoder::new(100, 100_000);
        decoder.push(&b"data: x\n\n".repeat(10_000)).unwrap();
        let mut reading = std::pin::pin!(async {
            let mut read = 0;
            while decoder.pop().await.is_some() {
                read += 1;
            }
            read
        });
        let mut once = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(reading.as_mut().poll(&mut once).is_pending());
        assert_eq!(reading.await, 10_000, "all the same nothing is lost");
    }

    proptest! {
        /// Where the network cuts a stream changes nothing.
        #[test]
        fn cuts_do_not_matter(text in "(data: [a-c]{0,3}|id: 1|:|event: e)?(\r|\n|\r\n){1,3}", cut in 0_usize..40) {
            let whole = format!("{text}{text}{text}\n\n");
            let cut = cut.min(whole.len());
            let (one, two) = whole.as_bytes().split_at(cut);
            prop_assert_eq!(events(&[one, two]), events(&[whole.as_bytes()]));
        }
    }
}
