//! Who may try to sign in, and who waits: by address, by account, and by browser (NIST-2, ASVS-6.3.1).
//!
//! A stranger's failures make strangers wait, never the browser in which the account's owner signed in before: that one has
//! a bucket of its own. Its own failures are held against it, and at the cap it is a stranger like any other.

use axum::http::{HeaderMap, HeaderValue};
use portcullis_database::DatabaseError;
use portcullis_oauth::{PrincipalId, Secret, Timestamp};
use portcullis_web::{Peer, device_cookie};

use crate::Core;
use crate::store::{Bucket, Counted};

/// Who stands at the door, as far as that can be known before a password is looked at.
pub(crate) struct Visitor {
    peer: Peer,
    device: Option<Secret>,
}

/// A try that was refused before it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Throttled {
    /// Not before so many seconds.
    Wait(u64),
    /// Not from this browser, until the owner or an admin opens the account.
    Shut,
}

impl Throttled {
    /// The reason code in the paper trail.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Wait(_) => "throttled",
            Self::Shut => "locked",
        }
    }

    /// The seconds to wait; none where waiting opens nothing.
    pub(crate) const fn seconds(self) -> Option<u64> {
        match self {
            Self::Wait(seconds) => Some(seconds),
            Self::Shut => None,
        }
    }

    /// What a person reads. The same for an address that nobody has (ASVS-6.3.8).
    pub(crate) fn sentence(self) -> String {
        match self {
            Self::Wait(seconds) => {
                format!("There were too many tries. Wait {seconds} seconds, then try again.")
            }
            Self::Shut => {
                "There were too many tries. Sign in with a browser in which you signed in before, or ask \
                           whoever runs this server to unlock the account."
                    .to_owned()
            }
        }
    }
}

impl Visitor {
    /// Whoever sent this request.
    pub(crate) fn new(core: &Core, peer: Peer, headers: &HeaderMap) -> Self {
        Self { peer, device: device_cookie::read(headers, core.public_url()) }
    }

    /// Counts a try as failed, before the password is looked at: parallel guesses do not pass together.
    pub(crate) async fn knock(
        &self,
        core: &Core,
        email: &str,
        now: Timestamp,
    ) -> Result<Result<(), Throttled>, DatabaseError> {
        if let Some(bucket) = self.known_bucket(core, email, now).await? {
            match core.sign_ins.count(&bucket, now).await? {
                Counted::Admitted => return Ok(Ok(())),
                Counted::Wait(seconds) => return Ok(Err(Throttled::Wait(seconds))),
                Counted::Shut => {}
            }
        }
        // Wide, since a whole office may stand behind one address.
        if let Err(seconds) = core.sign_in_source_guard.admit(&self.peer.to_string(), now) {
            return Ok(Err(Throttled::Wait(seconds)));
        }
        Ok(match core.sign_ins.count(&Bucket::of_strangers(email), now).await? {
            Counted::Admitted => Ok(()),
            Counted::Wait(seconds) => Err(Throttled::Wait(seconds)),
            Counted::Shut => Err(Throttled::Shut),
        })
    }

    /// Forgives what failed before: the account's owner proved themselves.
    pub(crate) async fn forgive(&self, core: &Core, email: &str) -> Result<(), DatabaseError> {
        let strangers = Bucket::of_strangers(email);
        let own = self.device.as_ref().map(|device| Bucket::of_browser(&device.hash(), email));
        core.sign_ins.forgive([&strangers, own.as_ref().unwrap_or(&strangers)]).await
    }

    /// Makes the browser known at an account whose owner signed in with it. Gives the cookie.
    pub(crate) async fn remember(
        self,
        core: &Core,
        user: &PrincipalId,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, DatabaseError> {
        let device = core.known_browsers.remember(self.device, user, now).await?;
        Ok(device_cookie::write(&device, core.public_url()))
    }

    async fn known_bucket(
        &self,
        core: &Core,
        email: &str,
        now: Timestamp,
    ) -> Result<Option<Bucket>, DatabaseError> {
        let Some(device) = self.device.as_ref().map(Secret::hash) else { return Ok(None) };
        let is_known = core.known_browsers.is_known(&device, email, now).await?;
        Ok(is_known.then(|| Bucket::of_browser(&device, email)))
    }
}
