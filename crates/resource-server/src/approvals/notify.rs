//! Telling people elsewhere that a call waits. Owns what is told ([`Notice`]: the tool and the page, and nothing that the
//! call says; the page asks who reads it) and the line in which notices wait for each way of telling. What is not delivered
//! at once is lost: the approval itself expires in minutes.
//!
//! Leaves to the binary: which ways there are.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use portcullis_oauth::{BoxFuture, PrincipalId, PublicUrl};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::decide::needs_another;
use super::{Approval, PENDING};

/// So many notices wait for each way of telling; more are dropped.
const WAITING: usize = 256;
/// So long one of them may take.
const LONGEST: Duration = Duration::from_secs(15);
/// More of a tool's name is not told, in characters.
const NAME: usize = 64;

/// What is told of a call that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whose call it is.
    pub owner: PrincipalId,
    /// Whether somebody else than its user has to approve it.
    pub needs_another: bool,
    /// The match code, which page and client show.
    pub code: String,
    /// What its owner calls the connection.
    pub alias: String,
    /// The upstream's name of the tool, as far as it is letters, digits, `-` and `_`: a stranger chose it, and this comes from
    /// us.
    pub tool: String,
    /// Where it is decided.
    pub page: String,
}

/// A way to tell people elsewhere.
pub trait Notifier: Debug + Send + Sync {
    /// What the log and the counters call it.
    fn name(&self) -> &'static str;

    /// Tells, once. An error says what happened without the address, which may be a secret.
    fn tell<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), String>>;
}

/// Every way of telling, each with a line of its own, so that a slow one holds nobody up.
pub(crate) struct Notices {
    page: PublicUrl,
    lines: Vec<(&'static str, Line)>,
}

/// Where notices wait for one way of telling, each with the moment since when.
type Line = Sender<(Instant, Notice)>;

impl Notices {
    /// Tells by `notifiers`, in `tasks` that end with `closing`.
    pub(crate) fn start(
        notifiers: Vec<Arc<dyn Notifier>>,
        page: PublicUrl,
        (tasks, closing): (&TaskTracker, &CancellationToken),
    ) -> Self {
        let begin = |notifier: Arc<dyn Notifier>| {
            let (line, waiting) = mpsc::channel(WAITING);
            let name = notifier.name();
            let closing = closing.clone();
            tasks.spawn(async move { closing.run_until_cancelled(work(&*notifier, waiting)).await });
            (name, line)
        };
        Self { page, lines: notifiers.into_iter().map(begin).collect() }
    }

    /// Tells of a call that waits. Never waits itself.
    pub(crate) fn tell(&self, approval: &Approval) {
        let notice = Notice {
            owner: approval.principal.clone(),
            needs_another: needs_another(&approval.principal, approval.level),
            code: approval.code(),
            alias: approval.alias.clone(),
            tool: spoken(&approval.tool),
            page: format!("{}/approvals/{}", self.page, approval.id),
        };
        for (way, line) in &self.lines {
            if line.try_send((Instant::now(), notice.clone())).is_err() {
                tracing::warn!(way, "too many notices of approvals wait already: one is not told");
                count(way, "dropped");
            }
        }
    }
}

async fn work(notifier: &dyn Notifier, mut waiting: Receiver<(Instant, Notice)>) {
    let (way, lives) = (notifier.name(), Duration::from_secs(PENDING.0.unsigned_abs()));
    while let Some((since, notice)) = waiting.recv().await {
        // By now nobody waits for what it tells of, and others wait behind it.
        if since.elapsed() >= lives {
            count(way, "dropped");
            continue;
        }
        let told = timeout(LONGEST, notifier.tell(&notice)).await;
        match told.unwrap_or_else(|_| Err("it took too long".to_owned())) {
            Ok(()) => count(way, "told"),
            Err(cause) => {
                tracing::warn!(way, cause, "a notice of an approval could not be delivered");
                count(way, "failed");
            }
        }
    }
}

/// A name in which nothing reads as a sentence or becomes a link.
fn spoken(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.chars().take(NAME).map(plain).collect()
}

fn count(way: &'static str, outcome: &'static str) {
    metrics::counter!("portcullis_approval_notices_total", "way" => way, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use portcullis_oauth::PrincipalKind;

    use super::*;

    #[derive(Debug)]
    struct Stuck;

    impl Notifier for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }

        fn tell<'a>(&'a self, _: &'a Notice) -> BoxFuture<'a, Result<(), String>> {
            Box::pin(pending())
        }
    }

    fn notice() -> Notice {
        Notice {
            owner: PrincipalId::generate(PrincipalKind::User),
            needs_another: false,
            code: "BCDF".to_owned(),
            alias: "notes".to_owned(),
            tool: "delete".to_owned(),
            page: "https://gw.example/approvals/apr_1".to_owned(),
        }
    }

    /// T33: what a stranger calls a tool leads nobody anywhere in a message of ours
    #[test]
    fn a_name_is_no_sentence_and_no_link() {
        assert_eq!(spoken("delete-note_2"), "delete-note_2");
        let hostile = "delete. First sign in at https://gate.evil.example/login";
        assert_eq!(spoken(hostile), "delete__First_sign_in_at_https___gate_evil_example_login");
        assert_eq!(spoken("a\nb\u{202e}c"), "a_b_c");
        assert_eq!(spoken(&"x".repeat(500)).len(), NAME);
    }

    /// T44: a way that is stuck holds a bounded number of notices, and ends when the server does
    #[tokio::test]
    async fn a_way_that_is_stuck_holds_nobody_up() {
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let page = PublicUrl::parse("https://gw.example").unwrap();
        let notices = Notices::start(vec![Arc::new(Stuck)], page, (&tasks, &closing));
        let line = &notices.lines[0].1;
        while line.try_send((Instant::now(), notice())).is_ok() {}
        assert_eq!(line.max_capacity(), WAITING);
        closing.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
