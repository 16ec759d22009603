//! A trail of one node, and hands that reach into its rows.

use std::path::Path;
use std::sync::Arc;

use portcullis_audit::{Action, Anchors, Event, Keeping, Outcome, Signer, Trail, Verification, record_in};
use portcullis_database::{Database, on};
use portcullis_oauth::{PrincipalId, Seconds, Timestamp};
use tempfile::TempDir;

/// 2026-01-01, noon.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_767_268_800_000_000);

/// Signs with a word that the database does not hold.
#[derive(Debug)]
struct Word(&'static str);

impl Signer for Word {
    fn sign(&self, text: &[u8]) -> String {
        format!("{} {}", self.0, String::from_utf8_lossy(text))
    }

    fn is_ours(&self, text: &[u8], signature: &str) -> bool {
        self.sign(text) == signature
    }
}

/// A node, its trail and its folder for checkpoints.
pub(crate) struct Stage {
    pub(crate) database: Database,
    pub(crate) trail: Trail,
    folder: TempDir,
}

impl Stage {
    /// The node `one`, with 30 days' retention.
    pub(crate) fn on(database: &Database) -> Self {
        let (folder, database) = (TempDir::new().unwrap(), database.as_node("one"));
        Self { trail: trail(&database, folder.path()), database, folder }
    }

    /// The same process after a new start: it remembers nothing.
    pub(crate) fn again(&self) -> Trail {
        trail(&self.database, self.folder.path())
    }

    /// Records so many events.
    pub(crate) async fn record(&self, count: usize) {
        for number in 0..count {
            self.trail.record(event(&format!("user_{number}"))).await.unwrap();
        }
    }

    /// Records an event within a transaction, as the process of this name does, and commits it.
    pub(crate) async fn record_within(&self, node: &str, principal: &str) {
        let mut transaction = self.database.as_node(node).begin().await.unwrap();
        record_in(&mut transaction, event(principal)).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// The checkpoints that were written.
    pub(crate) fn anchors(&self) -> Anchors {
        Anchors::read(&self.folder.path().join("audit")).unwrap()
    }

    /// What somebody finds out who has no checkpoints.
    pub(crate) async fn verify(&self) -> Verification {
        self.trail.verify(&Anchors::default()).await.unwrap()
    }

    /// What somebody finds out who has the checkpoints.
    pub(crate) async fn verify_anchored(&self) -> Verification {
        self.trail.verify(&self.anchors()).await.unwrap()
    }

    /// Somebody with access to the database does this to it.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let touched = on!(self.database.write(), |pool| sqlx::query(sql)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        assert!(touched.unwrap() > 0, "nothing was tampered with: {sql}");
    }

    /// One number that the database knows.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        on!(self.database.read(), |pool| sqlx::query_scalar(sql).fetch_one(pool).await).unwrap()
    }
}

fn trail(database: &Database, folder: &Path) -> Trail {
    let signer: Option<Arc<dyn Signer>> = Some(Arc::new(Word("ours")));
    let anchors = Some(folder.join("audit"));
    Trail::keeping(
        database.clone(),
        Keeping { signer, anchors, kept: Seconds::days(30), ..Keeping::default() },
    )
}

/// Somebody calls a tool.
pub(crate) fn event(principal: &str) -> Event {
    event_at(NOW, principal)
}

/// Somebody calls a tool at this time.
pub(crate) fn event_at(at: Timestamp, principal: &str) -> Event {
    Event::new(at, Action::ToolCall, Outcome::Done)
        .by(&PrincipalId::from(principal.to_owned()))
        .of_tool("read_file")
        .known_as("ada@example.com")
        .with(serde_json::json!({ "path": "a.txt" }))
}

/// What is wrong, in words.
pub(crate) fn faults(verification: &Verification) -> Vec<String> {
    verification.faults().map(|(node, fault)| format!("{node}: {fault}")).map(without_id).collect()
}

/// Records' names are random.
fn without_id(text: String) -> String {
    match (text.find(" (evt_"), text.find(')')) {
        (Some(from), Some(to)) => format!("{}{}", &text[..from], &text[to + 1..]),
        _ => text,
    }
}
