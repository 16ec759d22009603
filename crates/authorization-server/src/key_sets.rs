//! The keys that clients publish at a URL (`jwks_uri`, R7523-JWKS-1): read through the guarded client, kept for a while,
//! and read again for a key that is not among them, but not as often as strangers may ask.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use moka::sync::Cache;
use portcullis_audit::{Action, Event, Outcome};
use portcullis_limits::{Limiter, Quota, Verdict};
use portcullis_oauth::jose::{Jwk, JwkSet, Jws};
use portcullis_oauth::{ClientId, Seconds, StrictJson, Timestamp};
use portcullis_outbound::{Outbound, Outgoing};
use portcullis_web::Peer;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::Core;
use crate::document::{is_json, lifetime};

/// So many sets are kept.
const CAPACITY: u64 = 10_000;
/// Fifty keys of the largest sort that is taken.
const LARGEST: usize = 96 * 1_024;
/// However often a set wants to be read.
const FLOOR: Seconds = Seconds::minutes(5);
/// However long it wants to be believed: a key that its owner took away is dead after so long (A18).
const CEILING: Seconds = Seconds::minutes(60);
/// While it cannot be read, its last copy counts for so long (A37).
const OUTAGE: Seconds = Seconds::days(1);
/// For keys that are not among those that are known it is asked for so often at most (KEYS-8725-2).
const PAUSE: Seconds = Seconds::minutes(1);

/// The reason of a reading that was not even tried.
const TOO_OFTEN: &str = "keys_attempts";

/// What is known of the set at one URL. Who holds the lock asks; the others wait and find the answer.
type Place = Arc<Mutex<Option<Kept>>>;

#[derive(Clone)]
struct Kept {
    keys: Arc<JwkSet>,
    read_at: Timestamp,
    fresh_until: Timestamp,
    /// When it was last asked for, with or without success.
    asked_at: Timestamp,
}

impl Kept {
    /// Whether this copy can tell of the token as well as another reading could.
    fn suffices(&self, token: &Jws<'_>, now: Timestamp) -> bool {
        let holds = match token.kid() {
            Some(_) => self.keys.candidates(token.kid(), token.algorithm()).next().is_some(),
            // Without a name, only trying tells.
            None => token.verify_with(&self.keys).is_ok(),
        };
        (now < self.fresh_until && holds) || now < self.asked_at.plus(PAUSE)
    }
}

/// A set that somebody publishes, and for whom it is read.
#[derive(Clone, Copy)]
pub(crate) struct Published<'a> {
    pub(crate) uri: &'a str,
    /// The client that presents what these keys verify.
    pub(crate) client: &'a ClientId,
    /// Whose attempts are counted, where strangers name the URL.
    pub(crate) peer: Option<Peer>,
}

/// Why a set was not read.
struct Fault {
    reason: &'static str,
    cause: String,
}

/// The sets of this process.
pub(crate) struct KeySets {
    outbound: Outbound,
    places: Cache<String, Place>,
    by_url: Limiter,
    by_host: Limiter,
    by_source: Limiter,
}

impl KeySets {
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self {
            outbound,
            places: Cache::new(CAPACITY),
            by_url: Limiter::new(Quota::per_minute(10), 10_000),
            by_host: Limiter::new(Quota::per_minute(120), 10_000),
            by_source: Limiter::new(Quota::per_minute(30), 10_000),
        }
    }

    /// The keys that may verify the token; `None` when there is no copy that counts.
    pub(crate) async fn get(
        &self,
        core: &Core,
        published: Published<'_>,
        token: &Jws<'_>,
        now: Timestamp,
    ) -> Option<Arc<JwkSet>> {
        let place = self.places.get_with_by_ref(published.uri, Place::default);
        let mut kept = place.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.suffices(token, now)) {
            return Some(kept.keys.clone());
        }
        let known = kept.as_ref().is_some_and(|kept| now < kept.read_at.plus(OUTAGE));
        let event = |outcome| Event::new(now, Action::KeySet, outcome).through(published.client);
        match self.read((published, known), now).await {
            Ok(fresh) => {
                if kept.as_ref().is_none_or(|kept| kept.keys != fresh.keys) {
                    let detail = serde_json::json!({"uri": published.uri, "published": names(&fresh.keys)});
                    core.note(event(Outcome::Done).because("keys_read").with(detail)).await;
                }
                let keys = fresh.keys.clone();
                *kept = Some(fresh);
                Some(keys)
            }
            Err(fault) => {
                // Who may not even knock leaves no trace for each time: whom it was for is refused, and that is noted.
                if fault.reason != TOO_OFTEN {
                    let detail = serde_json::json!({"uri": published.uri, "cause": fault.cause});
                    core.note(event(Outcome::Refused).because(fault.reason).with(detail)).await;
                }
                let last = kept.as_mut().filter(|kept| now < kept.read_at.plus(OUTAGE))?;
                last.asked_at = now;
                Some(last.keys.clone())
            }
        }
    }

    async fn read(&self, (published, known): (Published<'_>, bool), now: Timestamp) -> Result<Kept, Fault> {
        // A set that is known is asked for once a minute at most, whoever comes; strangers who wear out its host must not
        // keep it from being read again, for then a key that was taken away would live on (A18).
        if !known {
            self.admit(published, now)?;
        }
        let answer = self.outbound.send(Outgoing::get(published.uri).at_most(LARGEST)).await;
        let answer =
            answer.map_err(|error| Fault { reason: error.cause.as_str(), cause: error.cause.to_string() })?;
        if answer.status != StatusCode::OK {
            let cause = format!("HTTP {}", answer.status.as_u16());
            return Err(Fault { reason: "keys_status", cause });
        }
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let unreadable = |cause: String| Fault { reason: "keys_unreadable", cause };
        if !content_type.is_some_and(is_json) {
            return Err(unreadable(format!("content type {}", content_type.unwrap_or("none"))));
        }
        let document = StrictJson::object(&answer.body)
            .ok_or_else(|| unreadable("not a JSON object that says each member once".to_owned()))?;
        let keys = JwkSet::parse(&Value::Object(document)).map_err(|error| unreadable(error.to_string()))?;
        let life = lifetime(&answer.headers, now).unwrap_or(FLOOR.0).clamp(FLOOR.0, CEILING.0);
        let fresh_until = now.plus(Seconds(life));
        Ok(Kept { keys: Arc::new(keys), read_at: now, fresh_until, asked_at: now })
    }

    /// Counts an attempt; strangers decide where to, so it is bounded by target and by source. What an admin named is bounded
    /// by itself alone.
    fn admit(&self, Published { uri, peer, .. }: Published<'_>, now: Timestamp) -> Result<(), Fault> {
        let host = Url::parse(uri).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let refused = |limiter: &Limiter, key: &str| limiter.check(key, now) != Verdict::Allowed;
        if peer.is_some_and(|peer| refused(&self.by_source, &peer.to_string()))
            || refused(&self.by_url, uri)
            || (peer.is_some() && refused(&self.by_host, &host))
        {
            let cause = "they were asked for very often within a minute".to_owned();
            return Err(Fault { reason: TOO_OFTEN, cause });
        }
        Ok(())
    }
}

/// The thumbprints, by which everybody calls the same key the same.
fn names(keys: &JwkSet) -> Vec<String> {
    keys.keys.iter().map(Jwk::thumbprint).collect()
}
