//! Where events go: a row that is committed before the answer leaves, and a line in the log.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_database::{Database, DatabaseError, Transaction, on};
use portcullis_limits::{Limiter, Quota, Verdict};
use portcullis_oauth::{ClientId, ConnectionId, PrincipalId, Seconds, Timestamp};

use crate::chain::{Chain, Head};
use crate::checkpoint::{Anchors, Checkpoint, Purpose, Signer};
use crate::group::{self, Group};
use crate::record::Draft;
use crate::redaction::Redaction;
use crate::{Action, Event, Outcome, Snapshots, Verification, daily, retention, seal, verify};

/// Events are kept so long where nothing else is said.
const KEPT: Seconds = Seconds::days(90);
/// A call that another node began so long ago and that has no end was cut off: eight rounds of ten minutes each are the longest
/// that there can be.
const CUT_OFF: Seconds = Seconds::minutes(90);
/// How many events of nobody in particular are kept a minute, by action. Beyond it they go to the log alone, so that a stranger
/// who knocks all day does not fill the disk.
const ANONYMOUS: Quota = Quota::per_minute(600);

/// Commits an event with the change that it tells of: both or neither.
///
/// # Errors
/// When the row cannot be written.
pub async fn record_in(transaction: &mut Transaction, event: Event) -> Result<(), DatabaseError> {
    tell(&event);
    group::insert_in(transaction, &Draft::of(event, &Redaction::default())).await
}

/// How events are kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// What signs checkpoints.
    pub signer: Option<Arc<dyn Signer>>,
    /// The folder for checkpoints; without one they go to the log alone.
    pub anchors: Option<PathBuf>,
    /// For how long.
    pub kept: Seconds,
    /// What of the further facts is not kept.
    pub redaction: Redaction,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { signer: None, anchors: None, kept: KEPT, redaction: Redaction::default() }
    }
}

/// The paper trail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trail(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Arc<Chain>,
    group: Group,
    anonymous: Limiter,
    keeping: Keeping,
    failing: AtomicBool,
    /// The last place of each chain that a checkpoint of this process was about.
    noted: Mutex<HashMap<String, i64>>,
}

impl Trail {
    /// The trail kept in `database`, chained under its node's name.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self::keeping(database, Keeping::default())
    }

    /// As [`new`](Self::new), kept in this manner.
    #[must_use]
    pub fn keeping(database: Database, keeping: Keeping) -> Self {
        let chain = Arc::new(Chain::over(database));
        let (group, anonymous) = (Group::over(Arc::clone(&chain)), Limiter::new(ANONYMOUS, 64));
        Self(Arc::new(Inner {
            chain,
            group,
            anonymous,
            keeping,
            failing: AtomicBool::new(false),
            noted: Mutex::default(),
        }))
    }

    /// Commits an event, together with others that wait at the same moment.
    ///
    /// # Errors
    /// When it could not be committed; what needs an event to be allowed must then not happen.
    pub async fn record(&self, event: Event) -> Result<(), DatabaseError> {
        tell(&event);
        if event.principal.is_none()
            && self.0.anonymous.check(event.action.as_str(), event.at) != Verdict::Allowed
        {
            return Ok(());
        }
        // Hashed here and not by the one writer, for whom everybody waits.
        let committed = self.0.group.commit(Draft::of(event, &self.0.keeping.redaction)).await;
        self.0.failing.store(committed.is_err(), Ordering::Relaxed);
        if committed.is_err() {
            metrics::counter!("portcullis_audit_failures_total").increment(1);
        }
        committed
    }

    /// What of arguments is a secret, as this trail sees it.
    #[must_use]
    pub fn redaction(&self) -> &Redaction {
        &self.0.keeping.redaction
    }

    /// Whether the last event could not be committed: then what needs one does not happen.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    /// Commits an event whose answer must leave in any case; a failure is told to the log.
    pub async fn note(&self, event: Event) {
        if let Err(error) = self.record(event).await {
            tracing::error!(cause = ?error, "an audit event could not be committed");
        }
    }

    /// Puts an end under calls that were begun and cut off, by a crash for instance: what became of them is not known. This
    /// node itself runs since `since`, so whatever it began before that was; calls of others may still go on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn close_interrupted(&self, now: Timestamp, since: Timestamp) -> Result<(), DatabaseError> {
        let open: Vec<Open> = on!(self.0.chain.database.read(), |pool| {
            sqlx::query_as(
                "SELECT b.principal_id, b.client_id, b.connection_id, b.tool, b.trace_id FROM audit_event b \
                 WHERE b.outcome = 'started' AND b.action = 'tools.call' AND b.at > $2 \
                 AND (b.at < $1 OR (b.node = $3 AND b.at < $4)) AND NOT EXISTS \
                 (SELECT 1 FROM audit_event e WHERE e.trace_id = b.trace_id AND e.action = b.action \
                 AND e.outcome <> 'started') LIMIT 1000",
            )
            .bind(now.minus(CUT_OFF))
            .bind(now.minus(Seconds::days(1)))
            .bind(self.0.chain.database.node())
            .bind(since)
            .fetch_all(pool)
            .await
        })?;
        for open in open {
            self.0.group.commit(Draft::of(open.end(now), &self.0.keeping.redaction)).await?;
        }
        Ok(())
    }

    /// Gives records that were committed within a transaction their places in the chain. After a failure it also finds out
    /// whether events can be committed again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn seal(&self, now: Timestamp) -> Result<(), DatabaseError> {
        if self.is_failing() {
            self.record(Event::new(now, Action::AuditResumed, Outcome::Done)).await?;
        }
        seal::seal(&self.0.chain, now).await
    }

    /// Notes the end of every chain outside the database, if it moved since this process noted it: in the log, and in the
    /// folder for checkpoints. A folder that cannot be written to is told to the log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn checkpoint(&self, now: Timestamp) -> Result<(), DatabaseError> {
        self.seal(now).await?;
        let database = &self.0.chain.database;
        for node in retention::nodes(database).await? {
            let head = Head::read(database, &node).await?;
            let known = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner).get(&node).copied();
            if known == Some(head.sequence) {
                continue;
            }
            let signer = self.0.keeping.signer.as_deref();
            let checkpoint = Checkpoint::sign((&node, head), now, Purpose::Checkpoint, signer);
            self.write(&checkpoint).await;
            self.0.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(node, checkpoint.sequence);
        }
        Ok(())
    }

    async fn write(&self, checkpoint: &Checkpoint) {
        let Checkpoint { node, sequence, hash, signature, .. } = checkpoint;
        let at = checkpoint.at.micros();
        tracing::info!(target: "audit.checkpoint", node, sequence, hash, at, signature);
        let Some(folder) = self.0.keeping.anchors.clone() else { return };
        let (written, checkpoint) = (folder.clone(), checkpoint.clone());
        let written = tokio::task::spawn_blocking(move || checkpoint.append(&written)).await;
        if let Err(error) = written.unwrap_or_else(|lost| Err(std::io::Error::other(lost))) {
            let folder = folder.display();
            tracing::error!(%folder, cause = %error, "a checkpoint of the audit chain could not be written; let this user write there");
        }
    }

    /// Deletes what is older than it is kept, and the checkpoints of those days.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        let Keeping { kept, signer, anchors, .. } = &self.0.keeping;
        let before = now.minus(*kept);
        retention::sweep(&self.0.chain.database, before, now, signer.as_deref()).await?;
        self.snapshots().sweep(before).await?;
        let Some(folder) = anchors.clone().filter(|folder| folder.exists()) else { return Ok(()) };
        let pruned = tokio::task::spawn_blocking(move || daily::prune(&folder, before)).await;
        if let Err(error) = pruned.unwrap_or_else(|lost| Err(std::io::Error::other(lost))) {
            tracing::warn!(cause = %error, "old checkpoints of the audit chain could not be removed");
        }
        Ok(())
    }

    /// What decisions stood on that is the same from call to call.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(self.0.chain.database.clone())
    }

    /// Finds out whether every record is what it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn verify(&self, anchors: &Anchors) -> Result<Verification, DatabaseError> {
        verify::verify(&self.0.chain.database, anchors, self.0.keeping.signer.as_deref()).await
    }
}

/// A call that was begun and has no end.
#[derive(sqlx::FromRow)]
struct Open {
    principal_id: Option<PrincipalId>,
    client_id: Option<ClientId>,
    connection_id: Option<ConnectionId>,
    tool: Option<String>,
    trace_id: Option<String>,
}

impl Open {
    fn end(self, now: Timestamp) -> Event {
        let mut event = Event::new(now, Action::ToolCall, Outcome::Failed).because("outcome_unknown");
        (event.principal, event.client, event.connection) =
            (self.principal_id, self.client_id, self.connection_id);
        (event.tool, event.trace_id) = (self.tool, self.trace_id);
        event
    }
}

/// Tells the log, and counts. Every label is a word of ours.
fn tell(event: &Event) {
    let (action, outcome) = (event.action.as_str(), event.outcome.as_str());
    metrics::counter!("portcullis_audit_events_total", "action" => action, "outcome" => outcome).increment(1);
    if let (Outcome::Refused, Some(reason)) = (event.outcome, event.reason) {
        metrics::counter!("portcullis_refusals_total", "action" => action, "reason" => reason).increment(1);
    }
    tracing::info!(
        target: "audit",
        action,
        outcome,
        reason = event.reason,
        principal = event.principal.as_ref().map(tracing::field::display),
        client = event.client.as_ref().map(tracing::field::display),
        tool = event.tool.as_ref().map(tracing::field::debug),
        trace_id = event.trace_id,
    );
}
