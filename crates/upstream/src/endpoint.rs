//! Everything that is needed to reach one server for one connection.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::Revision;

/// One server as one connection reaches it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Whose it is: the connection and the version of its credentials. Another key is another session, another child and
    /// another breaker; nothing is ever shared between two (T39).
    pub key: String,
    /// How it is reached.
    pub transport: Transport,
    /// The connection's own credentials, where the transport has headers.
    pub headers: Headers,
    /// What is declared as `ClientCapabilities`: a JSON object. Stateless servers are told with each request; others once
    /// for a session, so that endpoints which declare different things have different sessions.
    pub capabilities: Box<RawValue>,
    /// What the server spoke last, as [`Greeting::revision`](crate::Greeting::revision) said: it is tried first.
    pub remembered: Option<Revision>,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Over HTTP.
    Http(HttpTarget),
    /// As a child, over its standard streams.
    Stdio(Program),
}

impl Transport {
    /// Where the server is: the address, or the command with its arguments.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Http(target) => target.url.clone(),
            Self::Stdio(program) => {
                [std::slice::from_ref(&program.command), &program.arguments].concat().join("\0")
            }
        }
    }
}

/// A server over HTTP.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// The MCP endpoint. `https`; `http` only on this computer where the guarded client allows that, and in a private
    /// network.
    pub url: String,
    /// Whether an admin said that it is in a network of one's own.
    pub private_network: bool,
    /// Whether HTTP with SSE (2024-11-05) may be tried when Streamable HTTP is not spoken there.
    pub legacy_sse: bool,
}

/// A program that is a server. Its arguments are given to it one by one, and never to a shell.
#[derive(Clone)]
pub struct Program {
    /// The executable: an absolute path, or a name that is looked up in the `PATH` of `environment`.
    pub command: String,
    /// Its arguments, without the command.
    pub arguments: Vec<String>,
    /// Its whole environment: nothing is inherited (T38).
    pub environment: Vec<(String, Zeroizing<String>)>,
    /// What it was given and the log must not tell, whatever it writes to its standard error (T46).
    pub secrets: Vec<Zeroizing<String>>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.command).finish_non_exhaustive()
    }
}

/// Headers that a connection sends with each request. Wiped when dropped; `Debug` names them and no more.
#[derive(Clone, Default)]
pub struct Headers(Vec<(HeaderName, Zeroizing<String>)>);

/// Not a header that a connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHeader {
    /// Not a header's name.
    #[error("this is not the name of a header")]
    Name,
    /// The name belongs to HTTP or to MCP itself.
    #[error("this header is set by the gateway itself and cannot be a credential")]
    Reserved,
    /// The value cannot stand in a header.
    #[error("the value of a header is visible ASCII, without line breaks")]
    Value,
}

impl Headers {
    /// Adds one.
    ///
    /// # Errors
    /// When name or value cannot be sent, or the name is one that the transport sets itself.
    pub fn add(&mut self, name: &str, value: Zeroizing<String>) -> Result<(), UnusableHeader> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| UnusableHeader::Name)?;
        if is_reserved(name.as_str()) {
            return Err(UnusableHeader::Reserved);
        }
        let is_visible = |byte| matches!(byte, b' '..=b'~');
        if !value.bytes().all(is_visible) || value.starts_with(' ') || value.ends_with(' ') {
            return Err(UnusableHeader::Value);
        }
        self.0.push((name, value));
        Ok(())
    }

    /// Writes them into a request.
    pub(crate) fn write(&self, into: &mut HeaderMap) {
        for (name, value) in &self.0 {
            // It was judged when it was added.
            if let Ok(mut value) = HeaderValue::from_str(value) {
                value.set_sensitive(true);
                into.append(name.clone(), value);
            }
        }
    }
}

/// What HTTP's framing, our client, or MCP sets.
fn is_reserved(name: &str) -> bool {
    name.starts_with("mcp-")
        || name.starts_with("proxy-")
        || name.starts_with("content-")
        || name.starts_with("accept")
        || matches!(
            name,
            "host"
                | "connection"
                | "keep-alive"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
                | "expect"
        )
        || matches!(name, "user-agent" | "last-event-id" | "origin" | "forwarded" | "via")
        || name.starts_with("x-forwarded-")
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(name: &str, value: &str) -> Result<(), UnusableHeader> {
        Headers::default().add(name, Zeroizing::new(value.to_owned()))
    }

    /// T22, T04: a credential is one header, and none that somebody else reads
    #[test]
    fn a_credential_is_a_header_of_its_own() {
        for (name, value) in [("Authorization", "Bearer x"), ("x-api-key", "k"), ("cookie", "a=b")] {
            assert_eq!(add(name, value), Ok(()), "{name}");
        }
        for name in
            ["host", "Content-Length", "Mcp-Session-Id", "Transfer-Encoding", "Accept", "X-Forwarded-For"]
        {
            assert_eq!(add(name, "x"), Err(UnusableHeader::Reserved), "{name}");
        }
        for value in ["a\r\nb: c", "a\nb", "a\0", "\u{e9}", " a", "a "] {
            assert_eq!(add("x-key", value), Err(UnusableHeader::Value), "{value:?}");
        }
        assert_eq!(add("x key", "x"), Err(UnusableHeader::Name));
    }

    #[test]
    fn debug_says_no_value() {
        let mut headers = Headers::default();
        headers.add("authorization", Zeroizing::new("Bearer canary".to_owned())).unwrap();
        assert_eq!(format!("{headers:?}"), r#"["authorization"]"#);
        let environment = vec![("KEY".to_owned(), Zeroizing::new("canary".to_owned()))];
        let program = Program {
            command: "p".to_owned(),
            arguments: vec!["canary".to_owned()],
            environment,
            secrets: vec![],
        };
        assert_eq!(format!("{program:?}"), r#"Program("p", ..)"#);
    }
}
