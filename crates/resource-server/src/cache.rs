//! A bounded cache of verified tokens in front of a [`Verifier`]. Owns no truth: what changed leaves it at once, what it
//! cannot vouch for is asked again, and the injected clock alone judges expiry (R7662-4-1).

use std::sync::Arc;

use moka::sync::Cache;
use portcullis_database::{Change, ChangeFeed, ChangeKind, ChangeListener};
use portcullis_oauth::{
    BoxFuture, ConnectionId, ResourceUri, Secret, SecretHash, Timestamp, VerifiedBearer, Verifier,
    VerifyError,
};

/// So many tokens are remembered.
const CAPACITY: u64 = 20_000;

/// A token of one resource, by hash: the cache holds no token.
type Key = (SecretHash, ResourceUri);

/// A verifier that remembers.
#[derive(Clone)]
pub(crate) struct BearerCache {
    verifier: Arc<dyn Verifier>,
    changes: ChangeFeed,
    entries: Cache<Key, VerifiedBearer>,
}

impl BearerCache {
    /// A cache before `verifier` that forgets what `changes` tells.
    pub(crate) fn new(verifier: Arc<dyn Verifier>, changes: ChangeFeed) -> Self {
        let entries = Cache::new(CAPACITY);
        changes.subscribe(Arc::new(Forget(entries.clone())));
        Self { verifier, changes, entries }
    }

    async fn look_up(
        &self,
        token: &Secret,
        resource: &ResourceUri,
        now: Timestamp,
    ) -> Result<VerifiedBearer, VerifyError> {
        let key = (token.hash(), resource.clone());
        if !self.changes.is_timely() {
            // Whatever was missed meanwhile, nothing that was remembered before may outlive it.
            self.entries.invalidate_all();
            return self.verifier.verify(token, resource, now).await;
        }
        if let Some(bearer) = self.entries.get(&key).filter(|bearer| bearer.expires_at() > now) {
            return Ok(bearer);
        }
        let stamp = self.changes.stamp();
        let bearer = self.verifier.verify(token, resource, now).await?;
        self.entries.insert(key.clone(), bearer.clone());
        // A change that was told between the look-up and the insertion found nothing to forget.
        if !self.changes.is_current(stamp) {
            self.entries.invalidate(&key);
        }
        Ok(bearer)
    }
}

impl Verifier for BearerCache {
    fn verify<'a>(
        &'a self,
        token: &'a Secret,
        resource: &'a ResourceUri,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<VerifiedBearer, VerifyError>> {
        Box::pin(self.look_up(token, resource, now))
    }
}

/// Forgets the entries that a change concerns.
struct Forget(Cache<Key, VerifiedBearer>);

impl ChangeListener for Forget {
    fn changed(&self, change: &Change) {
        for (key, bearer) in &self.0 {
            if concerns(change, &bearer) {
                self.0.invalidate(key.as_ref());
            }
        }
    }

    fn missed(&self) {
        self.0.invalidate_all();
    }
}

fn concerns(change: &Change, bearer: &VerifiedBearer) -> bool {
    let subject = change.subject.as_str();
    match change.kind {
        ChangeKind::User => bearer.principal().id.as_str() == subject,
        ChangeKind::Client => bearer.client_id().as_str() == subject,
        ChangeKind::Grant => bearer.grant_id().as_str() == subject,
        ChangeKind::Token => bearer.token().as_str() == subject,
        ChangeKind::Connection => bearer.connections().reach(&ConnectionId::from(subject.to_owned())),
        ChangeKind::Resource => bearer.resource().as_str() == subject,
        ChangeKind::Server
        | ChangeKind::McpSession
        | ChangeKind::SigningKey
        | ChangeKind::Issuer
        | ChangeKind::Policy
        | ChangeKind::Limit
        | ChangeKind::Approval => false,
    }
}
