//! Work that must finish: it runs in a task that the server owns, not in the handler that a client's disconnect drops.

use portcullis_audit::trace;
use portcullis_oauth::Error;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The server's own tasks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Work(TaskTracker);

impl Work {
    /// Runs `job` to its end, whether or not the caller still waits for it.
    ///
    /// # Errors
    /// When the job panicked; the cause is in the log.
    pub async fn finish<T, F>(&self, job: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        // Its log lines and events stay under the request that began it.
        let job = trace::carry(job.in_current_span());
        self.0.spawn(job).await.map_err(Error::internal)
    }

    /// Waits until every job has ended; none may be begun afterwards.
    pub async fn drain(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
