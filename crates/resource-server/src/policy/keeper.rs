//! The policy in force on this node, parsed, with what is blocked: remembered until the feed of changes names it.

use std::sync::Arc;

use portcullis_database::{ChangeFeed, ChangeKind, DatabaseError, Remembered};
use portcullis_policy::PolicySet;
use tokio::sync::Mutex;

use super::blocks::Blocked;
use super::{Policies, PolicyVersion, ToolBlocks};

/// Why there is no policy to decide by. Nothing is allowed then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyUnavailable {
    /// The store does not answer.
    #[error("the policy cannot be read")]
    Database(#[from] DatabaseError),
    /// Another release wrote it.
    #[error(
        "version {0} of the policy is not one that this release understands: activate one with `portcullis policy activate`"
    )]
    NotUnderstood(i64),
}

/// The policy in force.
#[derive(Debug)]
pub(crate) struct InForce {
    /// Its number.
    pub(crate) version: i64,
    /// The policies.
    pub(crate) set: PolicySet,
    /// What is blocked.
    pub(crate) blocked: Blocked,
}

/// Keeps the policy in force.
pub(crate) struct Keeper {
    policies: Policies,
    blocks: ToolBlocks,
    kept: Remembered<InForce>,
    /// What was parsed last, for when its version still holds. One at a time reads and parses.
    parsed: Mutex<Option<(i64, PolicySet)>>,
}

impl Keeper {
    /// A keeper that has read nothing yet.
    pub(crate) fn new(policies: Policies, blocks: ToolBlocks, changes: ChangeFeed) -> Self {
        let kept = Remembered::new(ChangeKind::Policy, changes);
        Self { policies, blocks, kept, parsed: Mutex::default() }
    }

    /// The policy in force now.
    ///
    /// # Errors
    /// When there is none to decide by; then nothing may be done.
    pub(crate) async fn current(&self) -> Result<Arc<InForce>, PolicyUnavailable> {
        self.kept.get(self.read()).await
    }

    async fn read(&self) -> Result<Arc<InForce>, PolicyUnavailable> {
        let mut parsed = self.parsed.lock().await;
        let newest = self.policies.current().await?;
        let blocked = Blocked::of(self.blocks.list().await?);
        let version = newest.version;
        let set = match parsed.as_ref() {
            Some((last, set)) if *last == version => set.clone(),
            _ => parse(newest).await?,
        };
        *parsed = Some((version, set.clone()));
        Ok(Arc::new(InForce { version, set, blocked }))
    }
}

/// In a thread that may take its time.
async fn parse(policy: PolicyVersion) -> Result<PolicySet, PolicyUnavailable> {
    let version = policy.version;
    let parsed = tokio::task::spawn_blocking(move || PolicySet::parse(&policy.text)).await;
    match parsed {
        Ok(Ok(set)) => return Ok(set),
        Ok(Err(problems)) => {
            tracing::error!(
                version,
                ?problems,
                "the policy in force is not understood, so nothing is allowed"
            );
        }
        Err(error) => tracing::error!(version, ?error, "the policy in force could not be parsed"),
    }
    Err(PolicyUnavailable::NotUnderstood(version))
}
