//! The two processes, each killed when its story ends.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A running Portcullis with one person.
pub(crate) struct Login {
    /// Its public URL.
    pub(crate) url: String,
    database: String,
    folder: TempDir,
    child: Child,
}

/// The running example.
pub(crate) struct Notes {
    /// Where it listens, as `http://127.0.0.1:…`.
    pub(crate) url: String,
    child: Child,
}

/// The binary beside ours; built first where nobody did.
fn portcullis() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_notes")).with_file_name("portcullis");
    if !beside.exists() {
        let built = Command::new(env!("CARGO")).args(["build", "-p", "portcullis"]).status().unwrap();
        assert!(built.success());
    }
    beside
}

/// Starts `command` and reads its standard output up to the line that holds `mark`.
fn start(command: &mut Command, mark: &str) -> (Child, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    while !told.contains(mark) {
        assert_ne!(stdout.read_line(&mut told).unwrap(), 0, "it ended: {told}");
    }
    (child, told)
}

impl Login {
    pub(crate) fn start(database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(portcullis());
        command.env_clear().current_dir(folder.path()).args([
            "--database-url",
            database,
            "serve",
            "--listen",
            "localhost:0",
        ]);
        let (child, told) = start(&mut command, "Ctrl-C stops it.");
        let port = told.split("http://localhost:").nth(1).unwrap();
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let login =
            Self { url: format!("http://localhost:{port}"), database: database.to_owned(), folder, child };
        login.run_with("user add --email ada@example.com --password-stdin", super::client::PASSWORD);
        login
    }

    /// Runs a command of the operator's to its end, on the same database: what it printed.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.command(words, "")
    }

    /// The same with a first line on standard input.
    pub(crate) fn run_with(&self, line: &str, input: &str) -> String {
        self.command(&line.split(' ').collect::<Vec<_>>(), input)
    }

    fn command(&self, words: &[&str], input: &str) -> String {
        let mut command = Command::new(portcullis());
        command
            .env_clear()
            .current_dir(self.folder.path())
            .args(["--database-url", &self.database])
            .args(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Notes {
    /// Registers the example at `uri` by command, and starts it with what the command printed.
    pub(crate) fn start(login: &Login, uri: &str) -> Self {
        Self::start_with(login, uri, "opaque")
    }

    /// The same with tokens of this format; signed ones it checks without credentials of its own.
    pub(crate) fn start_with(login: &Login, uri: &str, format: &str) -> Self {
        let scopes = [
            "--default-scope",
            "notes.read=Read your notes.",
            "--scope",
            "notes.write=Add notes in your name.",
        ];
        let words = [
            &["resource", "add", "--uri", uri, "--name", "Team notes", "--token-format", format, "--json"],
            &scopes[..],
        ]
        .concat();
        let added: Value = serde_json::from_str(&login.run(&words)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_notes"));
        command.env_clear().envs([
            ("PORTCULLIS_URL", login.url.as_str()),
            ("NOTES_URI", uri),
            ("NOTES_LISTEN", "127.0.0.1:0"),
            ("NOTES_TOKEN_FORMAT", format),
        ]);
        if format == "opaque" {
            command.env("NOTES_CLIENT_ID", added["client_id"].as_str().unwrap());
            command.env("NOTES_CLIENT_SECRET", added["client_secret"].as_str().unwrap());
        }
        let (child, told) = start(&mut command, "listening on ");
        Self { url: format!("http://{}", told.trim().rsplit(' ').next().unwrap()), child }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
