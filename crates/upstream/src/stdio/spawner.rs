//! The thread that starts children. The signal that ends a child with its parent follows the thread that started it, and the
//! threads of the runtime come and go; this one stays as long as the pool.

use std::io;
use std::sync::{OnceLock, mpsc};
use std::thread;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

struct Job {
    command: Command,
    runtime: Handle,
    started: oneshot::Sender<io::Result<Child>>,
}

/// The thread; it is started with the first child.
#[derive(Default)]
pub(crate) struct Spawner(OnceLock<mpsc::Sender<Job>>);

impl Spawner {
    /// Starts a child.
    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts programs is gone");
        let (started, child) = oneshot::channel();
        let job = Job { command, runtime: Handle::current(), started };
        self.jobs().send(job).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }

    fn jobs(&self) -> &mpsc::Sender<Job> {
        self.0.get_or_init(|| {
            let (jobs, waiting) = mpsc::channel();
            // Without a thread the receiver is gone, which whoever sends is told.
            if let Err(error) = thread::Builder::new().name("spawner".to_owned()).spawn(|| work(waiting)) {
                tracing::error!(%error, "no thread to start programs from");
            }
            jobs
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the thread owns its end, and ends with the other one")]
fn work(waiting: mpsc::Receiver<Job>) {
    while let Ok(mut job) = waiting.recv() {
        let _runtime = job.runtime.enter();
        // Who does not wait any more drops the child, which ends it.
        let _ = job.started.send(job.command.spawn());
    }
}
