//! The shell of these stories: the binary in a folder of its own, run to its end or started as a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The binary in a folder of its own, with no settings from outside.
pub(crate) fn portcullis(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(folder).args(line.split_whitespace()).env_clear().stdin(Stdio::null());
    command
}

/// Runs it to its end: exit code, stdout, stderr.
pub(crate) fn run(folder: &Path, line: &str) -> (i32, String, String) {
    told(portcullis(folder, line).output().unwrap())
}

pub(crate) fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// One sentence on stderr, nothing on stdout.
pub(crate) fn refusal(folder: &Path, line: &str) -> (i32, String) {
    let (code, stdout, stderr) = run(folder, line);
    assert_eq!(stdout, "", "{line}");
    assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    (code, stderr)
}

/// Runs it with a password on standard input.
pub(crate) fn run_with_password(folder: &Path, line: &str, password: &str) -> (i32, String, String) {
    let mut command = portcullis(folder, line);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    told(child.wait_with_output().unwrap())
}

/// A started server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) announcement: String,
}

impl Server {
    /// Starts it and reads until it has told everything.
    pub(crate) fn start(folder: &Path, line: &str) -> Self {
        let mut child =
            portcullis(folder, line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut announcement = String::new();
        while !announcement.contains("Ctrl-C stops it.") {
            assert_ne!(stdout.read_line(&mut announcement).unwrap(), 0, "it ended: {announcement}");
        }
        Self { child, stdout, announcement }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let port = self.announcement.split("http://localhost:").nth(1).unwrap().split('/').next().unwrap();
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    /// The answer to a request as it stands on the wire.
    pub(crate) fn get(&self, path: &str) -> String {
        get(self.address(), path)
    }

    /// Sends a signal; says whether it ended well, how fast, and what it printed since the announcement.
    pub(crate) fn stop(mut self, signal: &str) -> (bool, Duration, String) {
        let began = Instant::now();
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (ended.success(), began.elapsed(), rest)
    }
}

/// The answer of whoever listens there, as it stands on the wire.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for localhost that counts until this year, and its key, in files beside each other.
pub(crate) fn issue(folder: &Path, until: i32) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    std::fs::write(folder.join("chain.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}
