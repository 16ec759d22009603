//! The trace id of the request that is being answered: events made while it is answered carry it, as the log's lines do.

use tokio::task_local;

task_local! {
    static TRACE: String;
}

/// Answers one request under this trace id.
pub async fn under<F: Future>(trace_id: String, work: F) -> F::Output {
    TRACE.scope(trace_id, work).await
}

/// Takes the trace id of this task along to work that another task does.
pub async fn carry<F: Future>(trace_id: Option<String>, work: F) -> F::Output {
    match trace_id {
        Some(trace_id) => under(trace_id, work).await,
        None => work.await,
    }
}

/// The trace id under which this task works, if it answers a request.
#[must_use]
pub fn current() -> Option<String> {
    TRACE.try_with(Clone::clone).ok()
}
