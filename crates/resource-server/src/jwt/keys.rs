//! The issuer's keys: read when they are needed, again every few minutes, and at once for a key that is not among them, but
//! not as often as strangers may present one (KEYS-8725-2).

use std::sync::Arc;

use portcullis_oauth::jose::{JwkSet, Jws};
use portcullis_oauth::{Seconds, StrictJson, Timestamp};
use reqwest::Client;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::issuer::{IssuerError, answer};

/// A copy is used for so long without asking: what the issuer says its caches may (`max-age`).
const FRESH: Seconds = Seconds::minutes(5);
/// For whatever reason, the issuer is asked so often at most.
const PAUSE: Seconds = Seconds::minutes(1);
/// While the issuer does not answer, its last word counts for so long. It issues nothing meanwhile, and what it issued
/// before expires.
const OUTAGE: Seconds = Seconds::minutes(60);

/// The keys of one issuer.
pub(super) struct Keys {
    http: Client,
    url: String,
    /// Who holds the lock asks; the others wait and find the answer.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last: Option<Copy>,
    asked_at: Option<Timestamp>,
}

struct Copy {
    keys: Arc<JwkSet>,
    read_at: Timestamp,
}

impl Known {
    /// The copy, if another one would tell no more of the token.
    fn sufficient(&self, token: &Jws<'_>, now: Timestamp) -> Option<Arc<JwkSet>> {
        let last = self.last.as_ref()?;
        let holds = last.keys.candidates(token.kid(), token.algorithm()).next().is_some();
        (holds && now < last.read_at.plus(FRESH)).then(|| last.keys.clone())
    }
}

impl Keys {
    pub(super) fn new(http: Client, url: String) -> Self {
        Self { http, url, known: Mutex::default() }
    }

    /// The keys among which the token's may be.
    ///
    /// # Errors
    /// When the issuer's keys are not known and cannot be had.
    pub(super) async fn that_may_verify(
        &self,
        token: &Jws<'_>,
        now: Timestamp,
    ) -> Result<Arc<JwkSet>, IssuerError> {
        let mut known = self.known.lock().await;
        if let Some(keys) = known.sufficient(token, now) {
            return Ok(keys);
        }
        let mut why = IssuerError::AskedBefore;
        // A clock that was set back does not keep us from asking.
        if known.asked_at.is_none_or(|asked_at| now < asked_at || asked_at.plus(PAUSE) <= now) {
            known.asked_at = Some(now);
            match self.read().await {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    known.last = Some(Copy { keys: keys.clone(), read_at: now });
                    return Ok(keys);
                }
                Err(error) => {
                    tracing::warn!(%error, "the keys of the authorization server could not be read");
                    why = error;
                }
            }
        }
        let last = known.last.as_ref().filter(|last| now < last.read_at.plus(OUTAGE));
        last.map(|last| last.keys.clone()).ok_or(why)
    }

    async fn read(&self) -> Result<JwkSet, IssuerError> {
        let body = answer(self.http.get(&self.url)).await?;
        let document = StrictJson::object(&body).ok_or(IssuerError::Answer)?;
        JwkSet::parse(&Value::Object(document)).map_err(|_| IssuerError::Answer)
    }
}
