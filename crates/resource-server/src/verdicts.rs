//! What a verifier that asks elsewhere remembers: verdicts about good tokens, for a minute at most. A refusal is not
//! remembered.

use std::time::Duration;

use moka::sync::Cache;
use portcullis_oauth::{ResourceUri, Seconds, Secret, SecretHash, Timestamp, VerifiedBearer, VerifyError};

/// A verdict is trusted no longer (R7662-4-1): a revocation, or a key that was taken back, acts here within this time of
/// being known to whom we ask.
const TRUSTED: Seconds = Seconds(60);
/// So many tokens are remembered.
const CAPACITY: u64 = 20_000;

/// A token of one resource, by hash: nothing here holds a token.
type Key = (SecretHash, ResourceUri);

/// Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub(crate) struct Verdicts(Cache<Key, Remembered>);

#[derive(Clone)]
struct Remembered {
    bearer: VerifiedBearer,
    until: Timestamp,
}

impl Default for Verdicts {
    fn default() -> Self {
        // The injected clock judges; this bound holds also when that clock was set back.
        let life = Duration::from_secs(TRUSTED.0.unsigned_abs());
        Self(Cache::builder().max_capacity(CAPACITY).time_to_live(life).build())
    }
}

impl Verdicts {
    /// The verdict about a token: the one that is remembered, else what `judge` finds, never beyond the token's own end.
    ///
    /// # Errors
    /// Those of `judge`.
    pub(crate) async fn of(
        &self,
        (token, resource): (&Secret, &ResourceUri),
        now: Timestamp,
        judge: impl Future<Output = Result<VerifiedBearer, VerifyError>>,
    ) -> Result<VerifiedBearer, VerifyError> {
        let key = (token.hash(), resource.clone());
        if let Some(remembered) = self.0.get(&key).filter(|remembered| now < remembered.until) {
            return Ok(remembered.bearer);
        }
        let bearer = judge.await?;
        let until = bearer.expires_at().min(now.plus(TRUSTED));
        self.0.insert(key, Remembered { bearer: bearer.clone(), until });
        Ok(bearer)
    }
}
