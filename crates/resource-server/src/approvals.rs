//! Approvals: a person decides the sensitive call, exactly that call, once. Owns the tables `approval` and
//! `approval_holder`: the life of an approval ([`ApprovalState`]), in which each transition is one statement whose row is
//! the verdict, and the news of it on every node.
//!
//! ```text
//!            decide                          consume: one winner
//! pending ──────────► approved ──────────────────────────────────► consumed ──► executed_ok | executed_error
//!    │  │                 │ 120 s unused: lapsed                     ▲    │  └─► outcome_unknown
//!    │  └─► denied        └─► void                         continued │    ▼ the server asks back
//!    └─► declined (by the client) | expired (5 min) | void          asking
//! ```
//!
//! Leaves to others: whether a call needs an approval (the policy), how its client is told (`pipeline/approval`), and who
//! the people are who decide (the console and the command line).

mod approval;
mod consume;
mod decide;
mod digest;
mod expire;
mod list;
mod news;
mod notify;
mod request;
mod row;
mod shown;

use std::sync::Arc;

use portcullis_audit::{Action, ApprovalEvent, Event, Outcome, Trail};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError, Transaction};
use portcullis_oauth::{Clock, Seconds, Timestamp};
use portcullis_vault::SealingKey;
use serde_json::json;

pub use self::approval::{Approval, ApprovalState, Decision};
pub(crate) use self::consume::{Consumed, Ended};
pub use self::decide::{Decided, Decider, How, Verdict};
pub(crate) use self::digest::Digest;
pub use self::list::{Inbox, Sought};
pub use self::news::{Hearing, Piece};
pub(crate) use self::notify::Notices;
pub use self::notify::{Notice, Notifier};
pub(crate) use self::request::{Asked, Wanted};
use self::row::Row;

/// Whoever belongs to the group of this name may decide for others where a second person is asked for.
pub const APPROVERS: &str = "approvers";
/// So long a person may take.
pub const PENDING: Seconds = Seconds::minutes(5);
/// So long after it was given an approval can be used.
pub(crate) const UNUSED: Seconds = Seconds(120);
/// So long the same call is refused after it was denied.
pub(crate) const COOL_DOWN: Seconds = Seconds::minutes(5);

/// The approvals of this server. Cheap to clone.
#[derive(Clone)]
pub struct Approvals(Arc<Inner>);

struct Inner {
    database: Database,
    changes: ChangeFeed,
    clock: Arc<dyn Clock>,
    trail: Trail,
    key: SealingKey,
    news: news::News,
    started: Timestamp,
}

impl std::fmt::Debug for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Approvals")
    }
}

impl Approvals {
    /// The approvals kept in `database`; `key` seals what calls say.
    pub(crate) fn new(
        database: Database,
        changes: ChangeFeed,
        clock: Arc<dyn Clock>,
        (trail, key): (Trail, SealingKey),
    ) -> Self {
        let news = news::News::of(&changes);
        let started = clock.now();
        Self(Arc::new(Inner { database, changes, clock, trail, key, news, started }))
    }

    /// What happens from now on.
    #[must_use]
    pub fn hear(&self) -> Hearing {
        self.0.news.hear()
    }

    /// Commits a transition of `row` with its line in the paper trail, and tells everybody who waits.
    async fn commit(
        &self,
        mut transaction: Transaction,
        row: &Row,
        event: Event,
    ) -> Result<(), DatabaseError> {
        let event = event.with(json!({"approval": row.id, "digest": row.digest}));
        portcullis_audit::record_in(&mut transaction, event).await?;
        let change = Change::new(ChangeKind::Approval, Piece::subject(&row.id, &row.principal_id));
        transaction.record_change(&change, self.0.clock.now()).await?;
        transaction.commit().await?;
        self.0.changes.publish(&change);
        Ok(())
    }
}

/// An event of an approval.
fn event(row: &Row, at: Timestamp, (what, outcome): (ApprovalEvent, Outcome)) -> Event {
    Event::new(at, Action::Approval(what), outcome)
        .by(&row.principal_id)
        .through(&row.client_id)
        .at_connection(&row.connection_id)
        .of_tool(&row.tool)
}
