//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole one, without its end.
    Whole,
    /// One that was longer than allowed; what is left of it was not read.
    TooLong,
    /// No more.
    End,
}

/// Reads one line into `line`, of at most `limit` bytes.
pub(super) async fn read(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    limit: usize,
) -> io::Result<Line> {
    line.clear();
    loop {
        let block = from.fill_buf().await?;
        if block.is_empty() {
            return Ok(Line::End);
        }
        let end = block.iter().position(|byte| *byte == b'\n');
        let text = &block[..end.unwrap_or(block.len())];
        let fits = (limit - line.len()).min(text.len());
        line.extend_from_slice(&text[..fits]);
        if fits < text.len() {
            from.consume(fits);
            return Ok(Line::TooLong);
        }
        let taken = text.len() + usize::from(end.is_some());
        from.consume(taken);
        if end.is_some() {
            return Ok(Line::Whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_ends_at_its_end_or_at_its_limit() {
        let mut from = &b"one\n\ntwelve bytes\nlast"[..];
        let mut line = Vec::new();
        let mut lines = Vec::new();
        loop {
            let kind = read(&mut from, &mut line, 10).await.unwrap();
            if kind == Line::End {
                break;
            }
            lines.push((kind, String::from_utf8(line.clone()).unwrap()));
        }
        let shown: Vec<_> = lines.iter().map(|(kind, text)| (kind, text.as_str())).collect();
        assert_eq!(
            shown,
            [(&Line::Whole, "one"), (&Line::Whole, ""), (&Line::TooLong, "twelve byt"), (&Line::Whole, "es"),]
        );
    }
}
