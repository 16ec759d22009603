//! Writes down what a decision stood on, sealed, so that another policy can decide it again (`replay`). Who asked is the same
//! from call to call and is kept once. What the paper trail would not keep is not written down here either.

use std::sync::Arc;

use moka::sync::Cache;
use portcullis_audit::{Redaction, Snapshots};
use portcullis_database::DatabaseError;
use portcullis_oauth::{PrincipalId, Timestamp};
use portcullis_policy::{Case, Circumstances, Decision, Recorded, Subject, Target};
use portcullis_vault::{SealingKey, Vault};

use crate::relay::Secrets;

/// What the key is for.
const LABEL: &[u8] = b"portcullis policy request v1";
/// So many callers are remembered as kept.
const CAPACITY: u64 = 20_000;

/// The key that recordings are sealed with.
pub(super) fn key(vault: &Vault) -> SealingKey {
    vault.server_key(LABEL)
}

/// The one event that a recorded request belongs to, so that it opens in no other.
pub(super) fn place(principal: &str, trace_id: &str) -> Vec<u8> {
    format!("request {principal} {trace_id}").into_bytes()
}

/// The one snapshot that a sealed subject belongs to.
pub(super) fn place_of_subject(name: &str) -> Vec<u8> {
    format!("subject {name}").into_bytes()
}

/// A decision and what it stood on.
#[derive(Clone, Debug)]
pub(crate) struct Considered {
    pub(super) subject: Arc<Subject>,
    pub(super) target: Target,
    pub(super) circumstances: Circumstances,
    pub(super) decision: Decision,
}

/// Writes decisions down.
pub(crate) struct Recorder {
    key: SealingKey,
    snapshots: Snapshots,
    redaction: Redaction,
    /// When each snapshot was kept by this process.
    kept: Cache<String, Timestamp>,
}

impl Recorder {
    /// A recorder that has kept nothing yet.
    pub(crate) fn new(vault: &Vault, snapshots: Snapshots, redaction: Redaction) -> Self {
        Self { key: key(vault), snapshots, redaction, kept: Cache::new(CAPACITY) }
    }

    /// The sealed text for the event of a decision under this version of the policy; without what is secret by its name, and
    /// without these secrets.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn record(
        &self,
        (considered, version): (&Considered, i64),
        secrets: &Secrets,
        (trace_id, now): (&str, Timestamp),
    ) -> Result<String, DatabaseError> {
        let Considered { subject, target, circumstances, decision } = considered;
        let name = self.keep(subject, now).await?;
        let case = Case { subject, target, circumstances };
        let hides = |at: &str, text: &str| self.is_secret(at) || secrets.are_in(text);
        let recorded = Recorded::of(&case, name, (decision, version), hides);
        Ok(self.key.seal(recorded.text().as_bytes(), &place(&subject.principal.id, trace_id)))
    }

    /// Keeps who asked, and gives the name for it.
    async fn keep(&self, subject: &Subject, now: Timestamp) -> Result<String, DatabaseError> {
        // Texts, and lists of them: there is nothing that could not be written.
        let content = serde_json::to_string(subject).unwrap_or_default();
        let name = Snapshots::name_of(&content);
        if self.kept.get(&name).is_none_or(|then| Snapshots::is_stale(then, now)) {
            let sealed = self.key.seal(content.as_bytes(), &place_of_subject(&name));
            let principal = PrincipalId::from(subject.principal.id.clone());
            self.snapshots.keep(&name, &principal, &sealed, now).await?;
            self.kept.insert(name.clone(), now);
        }
        Ok(name)
    }

    /// Whether a name on the way to a value tells of a secret (RFC 6901 §4: `~1` is `/`, `~0` is `~`).
    fn is_secret(&self, pointer: &str) -> bool {
        let mut names = pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~"));
        names.any(|name| self.redaction.is_secret(&name))
    }
}
