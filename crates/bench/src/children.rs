//! The processes under load: each is this program again (or a `portcullis` binary), on the servers' core, in a folder of
//! its own, and dies with us whatever happens to us.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;

use serde::Deserialize;
use tempfile::TempDir;

use crate::Outcome;

/// The first word of the floor's command line.
pub(crate) const FLOOR: &str = "child-floor";
/// The first word of the server's command line.
pub(crate) const PRODUCT: &str = "child-portcullis";
/// The first word of the command line of the upstream server.
pub(crate) const ECHO: &str = "child-echo";
/// The first word of the command line of somebody else's server.
pub(crate) const APART: &str = "child-apart";

/// The limits by default are for people; the load comes from one address and one account. Everything else is as it comes.
const SETTINGS: [(&str, &str); 6] = [
    ("PORTCULLIS_REGISTRATIONS_PER_MINUTE", "1000000"),
    ("PORTCULLIS_AUTHORIZATIONS_PER_MINUTE", "1000000"),
    ("PORTCULLIS_SIGN_INS_PER_MINUTE", "1000000"),
    ("PORTCULLIS_USER_CALLS_PER_MINUTE", "1000000"),
    ("PORTCULLIS_USER_LISTS_PER_MINUTE", "1000000"),
    ("PORTCULLIS_USER_TOOL_CALLS_PER_MINUTE", "1000000"),
];

/// A child, killed when dropped.
pub(crate) struct Child {
    process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    _stdout: BufReader<ChildStdout>,
    folder: Rc<TempDir>,
}

/// How the demo user signs in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Demo {
    pub(crate) mcp_url: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

impl Child {
    /// Starts the floor over a database.
    pub(crate) fn floor(database_url: &str) -> Outcome<Self> {
        Self::own(on_server_core, FLOOR, ("DATABASE_URL", database_url))
    }

    /// Starts the upstream server, which is somebody else's machine: it takes nothing of the servers' core.
    pub(crate) fn echo() -> Outcome<Self> {
        Self::own(beside_the_load, ECHO, ("RUST_LOG", "off"))
    }

    /// Starts somebody else's server, whose tokens are those of the server at `url`.
    pub(crate) fn apart(url: &str) -> Outcome<Self> {
        Self::own(on_server_core, APART, ("PORTCULLIS_URL", url))
    }

    /// This program again, told one thing.
    fn own(place: fn(&Path) -> Command, word: &str, (name, value): (&str, &str)) -> Outcome<Self> {
        let folder = Rc::new(TempDir::new()?);
        let mut command = place(&own_program()?);
        command.arg(word).env(name, value);
        let (process, stdout, told) = start(command, folder.path(), "\n")?;
        let address = told.trim().parse()?;
        Ok(Self { process, address, _stdout: stdout, folder })
    }

    /// Starts the server over a database, with its demo user, in a folder that a later start may use again.
    pub(crate) fn product(
        folder: &Rc<TempDir>,
        database_url: &str,
        server: Option<&Path>,
    ) -> Outcome<(Self, Demo)> {
        let mut command = product(server)?;
        command.args(["--database-url", database_url, "serve", "--demo", "--listen", "127.0.0.1:0"]);
        command.envs(SETTINGS);
        let (process, stdout, _) = start(command, folder.path(), "Ctrl-C stops it.")?;
        let demo: Demo = serde_json::from_slice(&std::fs::read(folder.path().join("data/demo.json"))?)?;
        let port = url::Url::parse(&demo.mcp_url)?.port().ok_or("the server names no port")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok((Self { process, address, _stdout: stdout, folder: Rc::clone(folder) }, demo))
    }

    /// What an admin's command at the same server prints.
    pub(crate) fn command(
        &self,
        database_url: &str,
        server: Option<&Path>,
        words: &[&str],
    ) -> Outcome<Vec<u8>> {
        let mut command = product(server)?;
        command.args(["--database-url", database_url]).args(words);
        let output = command.current_dir(self.folder.path()).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
        }
        Ok(output.stdout)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command line of the server under test.
fn product(server: Option<&Path>) -> Outcome<Command> {
    if let Some(binary) = server {
        return Ok(on_server_core(&std::path::absolute(binary)?));
    }
    let mut command = on_server_core(&own_program()?);
    command.arg(PRODUCT);
    Ok(command)
}

fn own_program() -> Outcome<std::path::PathBuf> {
    Ok(std::env::current_exe()?)
}

/// Starts a command in `folder` and reads what it prints until it has said `last`.
fn start(
    mut command: Command,
    folder: &Path,
    last: &str,
) -> Outcome<(Process, BufReader<ChildStdout>, String)> {
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log(folder)?);
    let mut process = command.spawn()?;
    let mut stdout = BufReader::new(process.stdout.take().ok_or("a child without stdout")?);
    let mut told = String::new();
    while !told.contains(last) {
        if stdout.read_line(&mut told)? == 0 {
            let _ = process.kill();
            let _ = process.wait();
            let mut why = String::new();
            let _ =
                std::fs::File::open(folder.join("stderr")).and_then(|mut file| file.read_to_string(&mut why));
            return Err(format!("a server did not start: {}", why.trim()).into());
        }
    }
    Ok((process, stdout, told))
}

/// Its log goes to a file, as it would in earnest.
fn log(folder: &Path) -> Outcome<std::fs::File> {
    Ok(std::fs::File::create(folder.join("stderr"))?)
}

/// A command on the servers' core that is killed with us, and whose environment is empty.
pub(crate) fn on_server_core(program: &Path) -> Command {
    let place = cores().map(|(server, _)| ["taskset".to_owned(), "-c".to_owned(), server.to_string()]);
    ours(place.into_iter().flatten().map(OsString::from).collect(), program)
}

/// The same where the load is.
fn beside_the_load(program: &Path) -> Command {
    ours(Vec::new(), program)
}

fn ours(mut words: Vec<OsString>, program: &Path) -> Command {
    if has("setpriv") {
        words.extend(["setpriv", "--pdeathsig", "KILL"].map(OsString::from));
    }
    words.push(program.as_os_str().to_owned());
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env_clear();
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Whether this machine has a program. Both that are asked for here are part of util-linux.
pub(crate) fn has(program: &str) -> bool {
    let silent = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    silent.is_ok_and(|status| status.success())
}

/// The core of the servers and the core of the load; `None` where there is one core only, or no way to choose.
pub(crate) fn cores() -> Option<(u32, u32)> {
    static CORES: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *CORES.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        let mut allowed = list.trim().split(',').filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
        });
        let mut allowed = allowed.by_ref().flatten();
        let pair = (allowed.next()?, allowed.next()?);
        has("taskset").then_some(pair)
    })
}

/// Moves this process away from the servers' core.
pub(crate) fn move_to_load_core() {
    if let Some((_, load)) = cores() {
        let own = std::process::id().to_string();
        let mut command = Command::new("taskset");
        command.args(["-a", "-c", "-p", &load.to_string(), &own]).stdout(Stdio::null());
        let _ = command.status();
    }
}
