//! Stories about `serve`: how it starts, what it leaves behind when it cannot, and how it stops.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::shell::{Server, folder, issue, portcullis, refusal, run};

#[test]
fn a_taken_port_ends_with_one_sentence_and_leaves_nothing_behind() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = TcpListener::bind(taken).unwrap();
    let (code, sentence) = refusal(folder.path(), &format!("serve --listen {taken}"));
    drop(holder);
    assert_eq!(code, 1);
    assert!(
        sentence.starts_with(&format!("portcullis: cannot listen on {taken}: the port is taken; ")),
        "{sentence}"
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn an_unwritable_folder_ends_with_one_sentence() {
    let (code, sentence) = refusal(folder().path(), "serve --listen 127.0.0.1:0 --data-dir /dev/null/data");
    assert_eq!(code, 1);
    assert!(
        sentence.starts_with("portcullis: cannot write to the data folder /dev/null/data: "),
        "{sentence}"
    );
}

#[test]
fn an_unreachable_postgresql_ends_with_one_sentence_that_holds_no_password() {
    let folder = folder();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = format!("--database-url postgres://ada:hunter2@{nobody}/x serve --listen 127.0.0.1:0");
    let (code, sentence) = refusal(folder.path(), &line);
    assert_eq!(code, 1);
    assert!(sentence.starts_with(&format!("portcullis: cannot open PostgreSQL at {nobody}: ")), "{sentence}");
    assert!(!sentence.contains("hunter2"), "{sentence}");
}

#[test]
fn the_demo_refuses_a_public_url_that_is_not_this_computer() {
    let line = "serve --demo --public-url https://mcp.example --behind-tls-proxy --listen 127.0.0.1:0";
    let (code, sentence) = refusal(folder().path(), line);
    assert_eq!(code, 2);
    assert!(sentence.contains("--demo is for this computer only"), "{sentence}");
}

#[test]
fn the_demo_starts_from_nothing_and_a_second_start_changes_nothing() {
    let folder = folder();
    let demo_file = folder.path().join("data/demo.json");
    let server = Server::start(folder.path(), "serve --demo --listen localhost:0");
    let first = std::fs::read_to_string(&demo_file).unwrap();
    let value: serde_json::Value = serde_json::from_str(&first).unwrap();
    for member in ["mcp_url", "email", "password"] {
        assert!(server.announcement.contains(value[member].as_str().unwrap()), "{member}");
    }
    for name in ["demo.json", "master.key"] {
        let mode = folder.path().join("data").join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let address = server.address();
    assert!(server.get("/healthz").ends_with("\r\n\r\nok"));
    assert!(server.get("/readyz").ends_with("\r\n\r\nready"));
    assert!(server.get("/login").starts_with("HTTP/1.1 200 "));
    assert!(server.get("/mcp").starts_with("HTTP/1.1 401 "));
    assert!(server.stop("-TERM").0);

    let again = Server::start(folder.path(), &format!("serve --demo --listen localhost:{}", address.port()));
    assert_eq!(std::fs::read_to_string(&demo_file).unwrap(), first);
    assert!(again.announcement.contains(value["password"].as_str().unwrap()));
    let (_, users, _) = run(folder.path(), "user list --json");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&users).unwrap().as_array().unwrap().len(), 1);
    assert!(again.stop("-INT").0);

    std::fs::remove_file(&demo_file).unwrap();
    let (code, sentence) = refusal(folder.path(), "--config /dev/null serve --demo --listen localhost:0");
    assert_eq!(code, 1);
    assert!(sentence.contains("portcullis user password demo@portcullis.localhost"), "{sentence}");
}

#[test]
fn without_the_demo_the_first_start_prints_a_link_once() {
    let folder = folder();
    let server = Server::start(folder.path(), "serve --listen 127.0.0.1:0");
    let path =
        server.announcement.split("http://localhost:").nth(1).unwrap().split_whitespace().next().unwrap();
    let path = &path[path.find('/').unwrap()..];
    assert!(path.starts_with("/setup?token=pcl_su_"), "{}", server.announcement);
    assert!(server.get(path).starts_with("HTTP/1.1 200 "));
    assert!(server.stop("-TERM").0);

    let again = Server::start(folder.path(), "serve --listen 127.0.0.1:0");
    assert!(!again.announcement.contains("token="), "{}", again.announcement);
    let (code, link, _) = run(folder.path(), "setup");
    assert_eq!(code, 0);
    assert!(link.starts_with("http://localhost:8420/setup?token=pcl_su_"), "{link}");
    assert!(
        again.get(link.trim().strip_prefix("http://localhost:8420").unwrap()).starts_with("HTTP/1.1 200 ")
    );
}

#[test]
fn a_connection_that_stays_open_does_not_keep_the_server_from_stopping() {
    let folder = folder();
    let server = Server::start(folder.path(), "serve --listen 127.0.0.1:0");
    let mut half = TcpStream::connect(server.address()).unwrap();
    half.write_all(b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nab").unwrap();
    let (well, took, rest) = server.stop("-TERM");
    assert!(well);
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(rest, "");
}

#[test]
fn with_a_certificate_it_speaks_https_and_a_container_can_still_ask() {
    let folder = folder();
    issue(folder.path(), 2090);
    let line = "serve --listen 127.0.0.1:0 --tls-certificate chain.pem --tls-key key.pem";
    let server = Server::start(folder.path(), line);
    let port = server.announcement.split("https://localhost:").nth(1).unwrap().split('/').next().unwrap();
    let health = |certificate: &str| {
        portcullis(folder.path(), "healthcheck")
            .env("PORTCULLIS_LISTEN", format!("127.0.0.1:{port}"))
            .env("PORTCULLIS_TLS_CERTIFICATE", certificate)
            .env("PORTCULLIS_TLS_KEY", "key.pem")
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(health("chain.pem"), Some(0));
    std::fs::create_dir(folder.path().join("other")).unwrap();
    issue(&folder.path().join("other"), 2090);
    assert_eq!(health("other/chain.pem"), Some(1), "another server's certificate is not ours");
    let (well, took, _) = server.stop("-TERM");
    assert!(well && took < Duration::from_secs(4), "{took:?}");

    let (code, sentence) = refusal(
        folder.path(),
        "serve --listen 127.0.0.1:0 --tls-certificate other/chain.pem --tls-key key.pem",
    );
    assert_eq!(code, 2);
    assert!(sentence.contains("tls_key key.pem does not belong to"), "{sentence}");
}

#[test]
fn a_certificate_that_has_expired_is_a_warning_and_no_refusal() {
    let folder = folder();
    issue(folder.path(), 2020);
    // It goes on to its port, which is taken.
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let line = format!("serve --listen {address} --tls-certificate chain.pem --tls-key key.pem");
    let (code, _, stderr) = run(folder.path(), &line);
    assert_eq!(code, 1);
    assert!(stderr.contains("the TLS certificate has expired"), "{stderr}");
    assert!(stderr.contains("the port is taken"), "{stderr}");
}

#[test]
fn a_container_can_ask_whether_its_server_is_alive() {
    let folder = folder();
    let server = Server::start(folder.path(), "serve --listen 127.0.0.1:0");
    let health = |address: SocketAddr| {
        let mut command = portcullis(folder.path(), "healthcheck");
        command.env("PORTCULLIS_LISTEN", address.to_string()).output().unwrap().status.code()
    };
    let address = server.address();
    assert_eq!(health(address), Some(0));
    assert!(server.stop("-TERM").0);
    assert_eq!(health(address), Some(1));
}
