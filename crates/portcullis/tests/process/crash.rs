//! kill -9 while events are being written: what was answered is in the trail, and the trail verifies.

use std::fs::write;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread;

use serde_json::Value;

use crate::shell::{Server, folder, run};

/// So many ask at the same time, and so many answers are waited for.
const CALLERS: usize = 8;
const ANSWERS: usize = 60;

/// Whether a request without a token was answered, which is after its event was committed.
fn refused(address: SocketAddr) -> bool {
    let asked = || {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 401 "))
    };
    asked().unwrap_or(false)
}

/// T47: `audit_durability = strict`; nothing that was answered is missing after kill -9, and the chain goes on behind it
#[test]
fn what_was_answered_before_a_crash_is_in_the_trail() {
    let folder = folder();
    write(folder.path().join("portcullis.toml"), "audit_durability = \"strict\"\n").unwrap();
    let serve = "serve --demo --listen localhost:0 --ops-listen off";
    let server = Server::start(folder.path(), serve);
    let (address, (told, answers)) = (server.address(), channel());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let told = told.clone();
            thread::spawn(move || while refused(address) && told.send(()).is_ok() {})
        })
        .collect();
    drop(told);
    assert_eq!(answers.iter().take(ANSWERS).count(), ANSWERS);
    server.stop("-KILL");
    for caller in callers {
        caller.join().unwrap();
    }
    let answered = ANSWERS + answers.iter().count();

    let verified = || {
        let (code, text, _) = run(folder.path(), "audit verify --json");
        let found: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &found["whole"]), (0, &Value::from(true)), "{found}");
    };
    verified();
    let (_, lines, _) = run(folder.path(), "audit export");
    let events = lines.lines().filter(|line| line.contains("\"token_missing\"")).count();
    assert!(events >= answered, "{answered} were answered, {events} are in the trail");
    let server = Server::start(folder.path(), serve);
    assert!(refused(server.address()));
    assert!(server.stop("-TERM").0);
    verified();
}
