//! What could pass under the policy in force, remembered: the same is asked at every call, and of each entry of every list.
//! A verdict follows from who asks and for what, and is found again by exactly that; another policy begins with nothing.

use moka::sync::Cache;
use portcullis_policy::{PolicySet, Subject, Target, could_pass};
use sha2::{Digest, Sha256};

/// So many verdicts are remembered, some 150 bytes each.
const CAPACITY: u64 = 50_000;

/// SHA-256 of who asks and for what.
type Key = [u8; 32];

/// The verdicts under one policy.
#[derive(Debug)]
pub(crate) struct Outlooks(Cache<Key, bool>);

impl Default for Outlooks {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl Outlooks {
    /// Whether any call of `target` could pass for `subject` under `policies`, which are always the same.
    pub(super) fn could_pass(&self, policies: &PolicySet, subject: &Subject, target: &Target) -> bool {
        // What could not be written could not be told from something else: it is judged each time.
        let Ok(asked) = serde_json::to_vec(&(subject, target)) else {
            return could_pass(policies, subject, target);
        };
        self.0.get_with(Sha256::digest(asked).into(), || could_pass(policies, subject, target))
    }
}
