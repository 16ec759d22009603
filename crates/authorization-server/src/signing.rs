//! Which key signs, and which keys are published: judged at the moment of asking, from what is kept in memory and
//! forgotten through the `change` table (KEYS-7517-2).

use std::sync::Arc;

use portcullis_database::{ChangeFeed, ChangeKind, DatabaseError};
use portcullis_oauth::jose::{Algorithm, JwkSet, SigningError, SigningKey};
use portcullis_oauth::{Seconds, Timestamp};
use tokio::sync::Mutex;

use crate::store::{KeptKey, SigningKeyError, SigningKeys};
use portcullis_database::Remembered;

/// The longest life that an operator can give an access token, and a little more: so long a replaced key stays published.
const KEPT_AFTERWARDS: Seconds = Seconds(86_400 + 3_600);

/// What a signing key is for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// It is published, so that everybody knows it when it begins to sign.
    Waiting,
    /// It signs.
    Signing,
    /// Another one signs; it is published until then, for the tokens that it signed.
    Verifying {
        /// When the last of them is dead.
        until: Timestamp,
    },
    /// Nothing that it signed lives.
    Over,
}

impl KeyUse {
    /// What `keys[place]` is for at `now`, where `keys` stand as [`SigningKeys::list`] gives them: newest first.
    #[must_use]
    pub fn of(keys: &[KeptKey], place: usize, now: Timestamp) -> Self {
        let Some((key, newer)) = keys.get(place).zip(keys.get(..place)) else { return Self::Over };
        let mut rivals = newer.iter().rev().filter(|rival| rival.algorithm() == key.algorithm());
        match rivals.next().map(|rival| rival.activates_at).filter(|at| *at <= now) {
            Some(replaced_at) if replaced_at.plus(KEPT_AFTERWARDS) <= now => Self::Over,
            Some(replaced_at) => Self::Verifying { until: replaced_at.plus(KEPT_AFTERWARDS) },
            None if key.activates_at > now => Self::Waiting,
            None => Self::Signing,
        }
    }
}

/// The signing keys of this process.
pub(crate) struct Signing {
    store: SigningKeys,
    ring: Remembered<[KeptKey]>,
    /// Of many requests that need the first key, one makes it.
    first: Mutex<()>,
}

impl Signing {
    pub(crate) fn new(store: SigningKeys, changes: ChangeFeed) -> Self {
        Self { store, ring: Remembered::new(ChangeKind::SigningKey, changes), first: Mutex::default() }
    }

    /// Where the keys are kept.
    pub(crate) fn store(&self) -> &SigningKeys {
        &self.store
    }

    /// The key that signs with `algorithm` at `now`: the newest active one. The first is made when it is first needed.
    ///
    /// # Errors
    /// When the store does not answer, or a key does not open.
    pub(crate) async fn signer(
        &self,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Arc<SigningKey>, SigningKeyError> {
        if let Some(key) = newest(&self.read().await?, algorithm, now) {
            return Ok(key);
        }
        let _alone = self.first.lock().await;
        if let Some(key) = newest(&self.read().await?, algorithm, now) {
            return Ok(key);
        }
        self.store.create_needed(algorithm, now).await?;
        self.ring.changed(algorithm.as_str());
        let ring = self.read().await?;
        // What another request or node has just made may begin a moment after our `now`.
        let first = || ring.iter().rfind(|key| key.algorithm() == algorithm).map(|key| key.key.clone());
        newest(&ring, algorithm, now).or_else(first).ok_or(SigningKeyError::Signing(SigningError))
    }

    /// What `jwks_uri` publishes at `now`: the keys that sign, those that will, and those whose tokens may still live.
    ///
    /// # Errors
    /// When the store does not answer, or a key does not open.
    pub(crate) async fn published(&self, now: Timestamp) -> Result<JwkSet, SigningKeyError> {
        let ring = self.read().await?;
        let lives = |place: &usize| KeyUse::of(&ring, *place, now) != KeyUse::Over;
        let keys = (0..ring.len()).filter(lives).map(|place| ring[place].key.public().clone());
        Ok(JwkSet { keys: keys.collect() })
    }

    /// Deletes keys whose tokens are all dead at `now`.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), DatabaseError> {
        self.store.sweep(now.minus(KEPT_AFTERWARDS)).await
    }

    async fn read(&self) -> Result<Arc<[KeptKey]>, SigningKeyError> {
        self.ring.get(async { self.store.list().await.map(Arc::from) }).await
    }
}

fn newest(ring: &[KeptKey], algorithm: Algorithm, now: Timestamp) -> Option<Arc<SigningKey>> {
    let key = ring.iter().find(|key| key.algorithm() == algorithm && key.activates_at <= now)?;
    Some(key.key.clone())
}
