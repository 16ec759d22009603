//! A private PostgreSQL from Debian's programs: a cluster in a folder of its own, reached through a socket there, on the
//! servers' core, as a user without privileges.

use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Outcome;
use crate::children::on_server_core;
use crate::storage::in_memory;

/// A port names the socket's file; nothing listens on the network.
const PORT: &str = "5432";
/// A cluster that is not there after this time is not coming.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running cluster; it ends when dropped.
pub(crate) struct Cluster {
    process: Process,
    folder: TempDir,
}

impl Cluster {
    /// Starts one; says why it cannot.
    pub(crate) fn start() -> Outcome<Self> {
        let programs =
            programs().ok_or("there is no /usr/lib/postgresql/*/bin (apt-get install postgresql)")?;
        let folder = in_memory()?;
        let root = output("id", &["-u"])? == "0";
        if root {
            // PostgreSQL refuses to run as root.
            let owner: u32 = output("id", &["-u", "postgres"])?.parse()?;
            std::os::unix::fs::chown(folder.path(), Some(owner), None)?;
        }
        let data = folder.path().join("data");
        let mut initdb = unprivileged(&programs.join("initdb"), root);
        initdb.arg("-D").arg(&data).args([
            "-U",
            "bench",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]);
        let made = initdb.current_dir(folder.path()).stdout(Stdio::null()).output()?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr).trim()).into());
        }
        let mut postgres = unprivileged(&programs.join("postgres"), root);
        postgres.arg("-D").arg(&data).args([
            "-p",
            PORT,
            "-c",
            "listen_addresses=",
            "-c",
            "shared_buffers=1GB",
        ]);
        postgres.arg("-k").arg(folder.path());
        let log = std::fs::File::create(folder.path().join("log"))?;
        let process = postgres
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut cluster = Self { process, folder };
        cluster.wait()?;
        Ok(cluster)
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.path().to_string_lossy();
        let folder: String = url::form_urlencoded::byte_serialize(folder.as_bytes()).collect();
        format!("postgres://bench@localhost:{PORT}/{database}?host={folder}")
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn wait(&mut self) -> Outcome<()> {
        let until = Instant::now() + PATIENCE;
        let ready = self.folder.path().join("data/postmaster.pid");
        loop {
            if std::fs::read_to_string(&ready).is_ok_and(|text| text.contains("ready")) {
                return Ok(());
            }
            if self.process.try_wait()?.is_some() || Instant::now() > until {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(
                    format!("PostgreSQL did not start: {}", log.lines().last().unwrap_or_default()).into()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A fast shutdown, so that it removes its shared memory; killed, it would leave that behind.
        let asked = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// The newest installation's programs.
fn programs() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path());
    let newest = installed.filter(|path| version(path).is_some()).max_by_key(|path| version(path))?;
    Some(newest.join("bin")).filter(|bin| bin.join("initdb").exists())
}

/// A program on the servers' core that gives up root's rights if we have them.
fn unprivileged(program: &Path, root: bool) -> Command {
    if !root {
        return on_server_core(program);
    }
    let mut command = on_server_core(Path::new("setpriv"));
    // Changed rights would make the kernel forget whose death is to be told, so that is asked for again; asked to end
    // fast rather than killed.
    command
        .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig", "INT"])
        .arg(program);
    command
}

fn output(program: &str, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(format!("{program} {} failed", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
