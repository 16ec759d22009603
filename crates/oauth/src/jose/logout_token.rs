//! Logout tokens (OpenID Connect Back-Channel Logout §2.4): a client is told that a session is over.

use serde::Serialize;
use serde_json::{Value, json};

use super::{SigningError, SigningKey};
use crate::{ClientId, PrincipalId, PublicUrl, Seconds, Secret, Timestamp};

/// What the token says has happened.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Long enough for one delivery (§2.4 recommends two minutes at most).
const LIFE: Seconds = Seconds(120);

/// The claims of a logout token. There is no `nonce`, so that it never passes for an ID token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogoutTokenClaims {
    iss: PublicUrl,
    aud: ClientId,
    sub: PrincipalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    jti: String,
    iat: i64,
    exp: i64,
    events: Value,
}

impl LogoutTokenClaims {
    /// The `typ` of a logout token.
    pub const TYP: &str = "logout+jwt";

    /// Tells `client` that the session `sid` of a person is over, or with no `sid` every one. `jti` is the same at each
    /// attempt to tell it.
    #[must_use]
    pub fn new(
        iss: PublicUrl,
        client: ClientId,
        (sub, sid): (PrincipalId, Option<String>),
        jti: String,
        now: Timestamp,
    ) -> Self {
        let (iat, exp) = (now.seconds(), now.plus(LIFE).seconds());
        Self { iss, aud: client, sub, sid, jti, iat, exp, events: json!({ EVENT: {} }) }
    }

    /// The token that says this.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<Secret, SigningError> {
        key.sign(Self::TYP, self).map(Secret::presented)
    }
}
