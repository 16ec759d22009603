//! Somebody's web server on a loopback port, with a client's metadata document or whatever else the story puts there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Client;

/// What it says to everybody, and what it was asked.
#[derive(Debug, Default)]
struct Desk {
    answer: Vec<u8>,
    is_endless: bool,
    asked: Vec<String>,
}

/// A web server; it closes with the story.
#[derive(Debug)]
pub struct Publisher {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    open: JoinHandle<()>,
}

impl Publisher {
    /// A server with a plain document.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let desk: Arc<Mutex<Desk>> = Arc::default();
        let shared = desk.clone();
        let open = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(attend(stream, shared.clone()));
            }
        });
        let publisher = Self { address, desk, open };
        publisher.publish(&publisher.document());
        publisher
    }

    /// The document's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/id.json", self.address)
    }

    /// A document that is in order, with the redirect URIs of Claude Code's.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "client_id": self.url(), "client_name": "Inspector",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        })
    }

    /// The client that this document is about.
    #[must_use]
    pub fn client(&self) -> Client {
        Client { id: self.url(), secret: None, redirect_uri: "http://127.0.0.1:51004/callback".to_owned() }
    }

    /// Puts a document there.
    pub fn publish(&self, document: &Value) {
        self.publish_with("", document);
    }

    /// Puts a document there, with further header lines that end with a line break each.
    pub fn publish_with(&self, headers: &str, document: &Value) {
        let body = document.to_string();
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}");
        self.answer(format!("{head}\r\n{headers}\r\n{body}"));
    }

    /// Answers with these bytes from now on, and hangs up.
    pub fn answer(&self, bytes: impl Into<Vec<u8>>) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        (desk.answer, desk.is_endless) = (bytes.into(), false);
    }

    /// Answers with these bytes from now on, and keeps the line open.
    pub fn answer_without_end(&self, bytes: impl Into<Vec<u8>>) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        (desk.answer, desk.is_endless) = (bytes.into(), true);
    }

    /// The heads of the requests so far, in lower case.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.open.abort();
    }
}

/// One visitor: a request of one packet, an answer.
async fn attend(mut stream: TcpStream, desk: Arc<Mutex<Desk>>) {
    let mut head = [0; 8_192];
    let length = stream.read(&mut head).await.unwrap_or(0);
    let (answer, is_endless) = {
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.asked.push(String::from_utf8_lossy(&head[..length]).to_lowercase());
        (desk.answer.clone(), desk.is_endless)
    };
    let _ = stream.write_all(&answer).await;
    if is_endless {
        // Until the other side has had enough.
        let _ = stream.read(&mut head).await;
    }
}
