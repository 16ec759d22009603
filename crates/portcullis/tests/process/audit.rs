//! The paper trail and those who watch, as somebody at a shell sees them.

use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use crate::shell::{Server, folder, get, refusal, run};

/// T47: what was recorded can be looked up and verified, and a database that was put back to an earlier state is found out
#[test]
fn the_trail_is_searched_exported_and_verified() {
    let folder = folder();
    let serve = "serve --demo --listen localhost:0 --ops-listen off";
    let server = Server::start(folder.path(), serve);
    assert!(server.get("/mcp").starts_with("HTTP/1.1 401 "));
    assert!(server.stop("-TERM").0);

    let (code, text, _) = run(folder.path(), "audit verify --json");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &found["whole"], &found["waiting"]), (0, &Value::from(true), &Value::from(0)));
    assert!(found["checkpoints"].as_u64().unwrap() >= 1, "{found}");

    let (_, text, _) = run(folder.path(), "audit search --decision refused --since 1h --json");
    let events: Value = serde_json::from_str(&text).unwrap();
    let refused = &events["events"][0];
    assert_eq!(
        (&refused["action"], &refused["client_address"]),
        (&"mcp.request".into(), &"127.0.0.1".into())
    );
    let (_, table, _) = run(folder.path(), "audit export --format csv");
    let (_, lines, _) = run(folder.path(), "audit export");
    assert_eq!(table.lines().count(), lines.lines().count() + 1);

    let database = folder.path().join("data/portcullis.db");
    let earlier = std::fs::read(&database).unwrap();
    let server = Server::start(folder.path(), serve);
    server.get("/mcp");
    assert!(server.stop("-TERM").0);
    assert_eq!(run(folder.path(), "audit verify").0, 0);
    std::fs::write(&database, earlier).unwrap();
    let (code, _, sentence) = run(folder.path(), "audit verify");
    assert_eq!(code, 1);
    assert!(sentence.contains(" is not whole: record") && sentence.contains("missing"), "{sentence}");
}

#[test]
fn those_who_watch_have_a_listener_of_their_own() {
    let folder = folder();
    let free: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server =
        Server::start(folder.path(), &format!("serve --demo --listen localhost:0 --ops-listen {free}"));
    server.get("/mcp");
    assert!(get(free, "/healthz").ends_with("\r\n\r\nok"));
    assert!(get(free, "/readyz").ends_with("{\"ready\":true,\"reasons\":[]}"));
    let metrics = get(free, "/metrics");
    for line in [
        "portcullis_http_requests_total{surface=\"mcp\",status=\"4xx\"} 1",
        "portcullis_audit_events_total{action=\"mcp.request\",outcome=\"refused\"} 1",
        "portcullis_ready 1",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is not in\n{metrics}");
    }
    assert!(get(free, "/login").starts_with("HTTP/1.1 404 "));
    assert!(server.get("/metrics").starts_with("HTTP/1.1 404 "));

    let (code, sentence) = refusal(folder.path(), &format!("serve --listen localhost:0 --ops-listen {free}"));
    assert_eq!(code, 1);
    assert!(sentence.contains("choose another port with --ops-listen"), "{sentence}");
    assert!(server.stop("-TERM").0);
}
