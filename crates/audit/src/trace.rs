//! What is known of the request that is being answered: events made while it is answered carry its trace id, as the log's lines
//! do, and from where it came.

use std::net::IpAddr;

use tokio::task_local;

task_local! {
    static REQUEST: Context;
}

/// A request, as its events tell of it.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The trace id that the log's lines have too.
    pub trace_id: String,
    /// The client's address, behind the proxies that are believed.
    pub address: Option<IpAddr>,
    /// What the client says that it is.
    pub user_agent: Option<String>,
}

impl From<String> for Context {
    fn from(trace_id: String) -> Self {
        Self { trace_id, ..Self::default() }
    }
}

/// Answers one request.
pub async fn under<F: Future>(request: impl Into<Context>, work: F) -> F::Output {
    REQUEST.scope(request.into(), work).await
}

/// Takes what is known of the request that this task answers along to work that another task does.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let request = context();
    async move {
        match request {
            Some(request) => under(request, work).await,
            None => work.await,
        }
    }
}

/// What is known of the request that this task answers, if it answers one.
#[must_use]
pub fn context() -> Option<Context> {
    REQUEST.try_with(Clone::clone).ok()
}

/// The trace id under which this task works, if it answers a request.
#[must_use]
pub fn current() -> Option<String> {
    REQUEST.try_with(|request| request.trace_id.clone()).ok()
}
