//! Somebody's web server on a loopback port that receives forms, as a client's back channel does.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug, Default)]
struct Inside {
    status: u16,
    letters: Vec<String>,
}

/// A server that answers each form with one status; it closes with the story.
#[derive(Debug)]
pub struct Mailbox {
    url: String,
    inside: Arc<Mutex<Inside>>,
    open: JoinHandle<()>,
}

impl Mailbox {
    /// A mailbox that takes everything.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/logout", listener.local_addr().expect("an address"));
        let inside: Arc<Mutex<Inside>> = Arc::new(Mutex::new(Inside { status: 200, letters: Vec::new() }));
        let shared = inside.clone();
        let open = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, shared.clone()));
            }
        });
        Self { url, inside, open }
    }

    /// Where forms are sent to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).status = status;
    }

    /// The forms that came since the last time, as they came.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner).letters)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.open.abort();
    }
}

async fn receive(mut stream: TcpStream, inside: Arc<Mutex<Inside>>) {
    let mut read = Vec::new();
    let mut packet = [0; 4_096];
    let body = loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").and_then(|length| length.trim().parse::<usize>().ok())
            });
            if body.len() >= length.unwrap_or(0) {
                break body.to_owned();
            }
        }
        match stream.read(&mut packet).await {
            Ok(0) | Err(_) => return,
            Ok(length) => read.extend_from_slice(&packet[..length]),
        }
    };
    let status = {
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.letters.push(body);
        inside.status
    };
    let _ = stream.write_all(format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
}
