//! How a program is started: this executable is started first, puts itself into bounds that only a process itself can set,
//! and then becomes the program. So no code runs between fork and exec, and nothing here is unsafe.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit, setsid,
};
use tokio::process::Command;

use crate::Program;

/// Open files of a program.
const FILES: u64 = 4_096;
/// Bytes of memory that it can write to.
const DATA: u64 = 4 * 1_024 * 1_024 * 1_024;

/// The executable that calls [`become_program`] with the arguments that follow its own.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Where it is.
    pub executable: PathBuf,
    /// What makes it do so.
    pub arguments: Vec<String>,
}

impl Launcher {
    /// The command that starts `program`: no environment but its own, no folder of ours, no arguments that a shell reads.
    pub(super) fn command(&self, program: &Program) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(&self.arguments)
            .arg(std::process::id().to_string())
            .arg(&program.command)
            .args(&program.arguments)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value.as_str())))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Becomes a program: `words` are the id of the process that started this one, the command, and its arguments. The process
/// leads a session and a process group of its own, is killed when the thread that started it ends, dumps no core, and has
/// bounds on files and memory.
///
/// Comes back only with the reason why it could not.
pub fn become_program(words: &[OsString]) -> io::Error {
    match prepare(words) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

fn prepare(words: &[OsString]) -> io::Result<std::process::Command> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: PARENT COMMAND [ARGUMENT]…");
    let [parent, command, arguments @ ..] = words else { return Err(usage()) };
    let parent =
        parent.to_str().and_then(|text| text.parse().ok()).and_then(Pid::from_raw).ok_or_else(usage)?;
    setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before it could be named.
    if getppid() != Some(parent) {
        return Err(io::Error::other("the process that started this one is gone"));
    }
    bound(Resource::Core, 0)?;
    bound(Resource::Nofile, FILES)?;
    bound(Resource::Data, DATA)?;
    let mut becoming = std::process::Command::new(command);
    becoming.args(arguments);
    Ok(becoming)
}

/// Lowers a limit for good; one that is lower already stays.
fn bound(resource: Resource, limit: u64) -> io::Result<()> {
    let limit = getrlimit(resource).maximum.map_or(limit, |maximum| maximum.min(limit));
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}
