//! Stories about the process: what it says and how it ends, as somebody at a shell sees it. What the server answers is
//! told elsewhere, in process.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told fails here")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The binary in a folder of its own, with no settings from outside.
fn portcullis(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(folder).args(line.split_whitespace()).env_clear().stdin(Stdio::null());
    command
}

/// Runs it to its end: exit code, stdout, stderr.
fn run(folder: &Path, line: &str) -> (i32, String, String) {
    told(portcullis(folder, line).output().unwrap())
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// One sentence on stderr, nothing on stdout.
fn refusal(folder: &Path, line: &str) -> (i32, String) {
    let (code, stdout, stderr) = run(folder, line);
    assert_eq!(stdout, "", "{line}");
    assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    (code, stderr)
}

/// Runs it with a password on standard input.
fn run_with_password(folder: &Path, line: &str, password: &str) -> (i32, String, String) {
    let mut command = portcullis(folder, line);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    told(child.wait_with_output().unwrap())
}

/// A started server, killed when dropped.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    announcement: String,
}

impl Server {
    /// Starts it and reads until it has told everything.
    fn start(folder: &Path, line: &str) -> Self {
        let mut child =
            portcullis(folder, line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut announcement = String::new();
        while !announcement.contains("Ctrl-C stops it.") {
            assert_ne!(stdout.read_line(&mut announcement).unwrap(), 0, "it ended: {announcement}");
        }
        Self { child, stdout, announcement }
    }

    fn address(&self) -> SocketAddr {
        let port = self.announcement.split("http://localhost:").nth(1).unwrap().split('/').next().unwrap();
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    /// The answer to a request as it stands on the wire.
    fn get(&self, path: &str) -> String {
        let address = self.address();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal; says whether it ended well, how fast, and what it printed since the announcement.
    fn stop(mut self, signal: &str) -> (bool, Duration, String) {
        let began = Instant::now();
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (ended.success(), began.elapsed(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_wrong_setting_ends_with_one_sentence_and_code_2() {
    let folder = folder();
    std::fs::write(folder.path().join("portcullis.toml"), "listn = 1").unwrap();
    let (code, sentence) = refusal(folder.path(), "user list");
    assert_eq!(code, 2);
    assert_eq!(sentence, "portcullis: portcullis.toml has the unknown setting listn; did you mean listen?\n");
    std::fs::write(folder.path().join("portcullis.toml"), "log = \"info\"\nlisten = [").unwrap();
    let (code, sentence) = refusal(folder.path(), "serve");
    assert_eq!(code, 2);
    assert!(sentence.starts_with("portcullis: portcullis.toml, line 2, is not TOML: "), "{sentence}");
}

#[test]
fn a_wrong_variable_is_told_too() {
    let folder = folder();
    let mut command = portcullis(folder.path(), "serve");
    let (code, _, stderr) = told(command.env("PORTCULLIS_LISTNE", "x").output().unwrap());
    assert_eq!(code, 2);
    assert!(stderr.contains("did you mean PORTCULLIS_LISTEN?"), "{stderr}");
}

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
    assert!(
        sentence.starts_with(&format!("portcullis: cannot reach PostgreSQL at {nobody}: ")),
        "{sentence}"
    );
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
fn a_question_asked_in_the_wrong_folder_creates_nothing_there() {
    let folder = folder();
    let (code, sentence) = refusal(folder.path(), "user list");
    assert_eq!(code, 1);
    assert!(sentence.contains("there is no database data/portcullis.db yet"), "{sentence}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_password_is_never_asked_for_where_nobody_can_answer() {
    let (code, sentence) = refusal(folder().path(), "user add --email ada@example.com");
    assert_eq!(code, 2);
    assert!(sentence.contains("--password-stdin"), "{sentence}");
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
fn users_are_added_listed_shown_and_disabled() {
    let folder = folder();
    let password = "several words make a good one\n";
    let line = "user add --email ada@example.com --name Ada --admin --password-stdin --json";
    let (code, added, stderr) = run_with_password(folder.path(), line, password);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    assert_eq!((added["email"].as_str(), added["admin"].as_bool()), (Some("ada@example.com"), Some(true)));
    let (code, _, taken) = run_with_password(folder.path(), line, password);
    assert_eq!(code, 1);
    assert!(taken.starts_with("portcullis: there is already a user"), "{taken}");

    let (_, table, _) = run(folder.path(), "user list");
    assert!(table.contains("E-MAIL") && table.contains("ada@example.com"), "{table}");
    let (_, shown, _) = run(folder.path(), "user disable ada@example.com --json");
    assert!(!serde_json::from_str::<serde_json::Value>(&shown).unwrap()["disabled_at"].is_null());
    let (_, shown, _) = run(folder.path(), "user enable --email ada@example.com");
    assert!(shown.contains("disabled"), "{shown}");
    let line = "user password ada@example.com --password-stdin";
    assert_eq!(run_with_password(folder.path(), line, "short").0, 1);
    assert_eq!(run_with_password(folder.path(), line, "several other words make another").0, 0);
    let (code, sentence) = refusal(folder.path(), "user show nobody@example.com");
    assert_eq!(code, 1);
    assert!(sentence.contains("nobody has the e-mail address nobody@example.com"), "{sentence}");
}

#[test]
fn clients_are_added_shown_rotated_and_removed_and_a_secret_is_shown_once() {
    let folder = folder();
    let line = "client add --name Portal --confidential --redirect-uri https://portal.example/cb --json";
    let (code, added, stderr) = run(folder.path(), line);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    let id = added["client_id"].as_str().unwrap();
    let secret = added["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("pcl_cs_"));

    let (_, shown, _) = run(folder.path(), &format!("client show {id}"));
    assert!(shown.contains("https://portal.example/cb") && !shown.contains("pcl_cs_"), "{shown}");
    let (_, rotated, note) = run(folder.path(), &format!("client rotate-secret {id}"));
    assert!(rotated.contains("pcl_cs_") && !rotated.contains(secret), "{rotated}");
    assert!(note.contains("shown this once"), "{note}");
    assert_eq!(refusal(folder.path(), &format!("client remove {id}")).0, 2);
    assert_eq!(run(folder.path(), &format!("client remove {id} --yes")).0, 0);
    assert_eq!(run(folder.path(), "client list --json").1.trim(), "[]");
    let (code, sentence) = refusal(folder.path(), "client add --name X --redirect-uri http://x.example/cb");
    assert_eq!(code, 2);
    assert!(sentence.contains("cannot register http://x.example/cb"), "{sentence}");
}

#[test]
fn a_line_that_cannot_be_understood_names_what_was_meant() {
    let (code, _, stderr) = run(folder().path(), "sevre");
    assert_eq!(code, 2);
    assert!(stderr.starts_with("portcullis: ") && stderr.contains("'serve'"), "{stderr}");
    let (code, help, _) = run(folder().path(), "--help");
    assert_eq!(code, 0);
    assert!(help.contains("portcullis serve --demo"), "{help}");
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
