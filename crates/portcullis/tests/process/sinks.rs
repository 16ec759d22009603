//! Events go to the places that the settings name: to a webhook although it fails and the server dies meanwhile, and into
//! daily files.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string, write};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::shell::{Server, folder, run};

const SERVE: &str = "serve --demo --listen localhost:0 --ops-listen off";
/// So long a story waits for what should come within seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What arrived in one request: its `Authorization`, and the names of its events.
type Arrived = (String, Vec<String>);

/// Receives events: the first request is answered with 500, the others with 204.
fn webhook() -> (String, Receiver<Arrived>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?key=canary-in-the-url", listener.local_addr().unwrap());
    let (told, arrived) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let Some(request) = read(&stream) else { continue };
            let status = if number == 0 { "500 Oh" } else { "204 Taken" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if told.send(request).is_err() {
                return;
            }
        }
    });
    (url, arrived)
}

fn read(stream: &TcpStream) -> Option<Arrived> {
    let mut reader = BufReader::new(stream);
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.clone_into(&mut authorization);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?;
            }
            _ if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((authorization, names(&String::from_utf8(body).ok()?)))
}

/// The names of the events in JSON Lines.
fn names(lines: &str) -> Vec<String> {
    let name = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    lines.lines().map(name).collect()
}

fn configure(folder: &Path, url: &str) {
    write(folder.join("webhook-authorization"), "Bearer canary-of-the-webhook\n").unwrap();
    let settings = format!(
        "audit_files = \"events\"\naudit_webhook = \"{url}\"\naudit_webhook_authorization_file = \"webhook-authorization\"\n"
    );
    write(folder.join("portcullis.toml"), settings).unwrap();
}

/// A webhook that fails at first and a kill -9 before it is asked again lose no event
#[test]
fn every_event_reaches_the_webhook_and_the_files() {
    let folder = folder();
    let (url, arrived) = webhook();
    configure(folder.path(), &url);
    let server = Server::start(folder.path(), SERVE);
    server.get("/mcp");
    let (authorization, refused) = arrived.recv_timeout(PATIENCE).unwrap();
    assert_eq!(authorization, "Bearer canary-of-the-webhook");
    assert!(!refused.is_empty());
    server.stop("-KILL");

    let server = Server::start(folder.path(), SERVE);
    server.get("/mcp");
    let (_, lines, _) = run(folder.path(), "audit export --action mcp.request");
    let wanted: BTreeSet<String> = names(&lines).into_iter().collect();
    assert_eq!(wanted.len(), 2);
    let mut taken = BTreeSet::new();
    while !wanted.is_subset(&taken) {
        taken.extend(arrived.recv_timeout(PATIENCE).unwrap().1);
    }
    assert!(refused.iter().all(|name| taken.contains(name)), "what it answered with 500 came again");
    assert!(server.stop("-TERM").0);

    let files = read_dir(folder.path().join("events")).unwrap().map(|file| file.unwrap().path());
    let written: BTreeSet<String> = files.flat_map(|file| names(&read_to_string(file).unwrap())).collect();
    assert!(written.iter().any(|name| wanted.contains(name)), "{written:?}");
    let (_, shown, _) = run(folder.path(), "config show");
    assert!(shown.contains("http://127.0.0.1:") && !shown.contains("canary"), "{shown}");
}
