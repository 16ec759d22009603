//! `private_key_jwt`: what a client's assertion must say (RFC 7523 §3, draft-ietf-oauth-rfc7523bis).

use serde_json::{Map, Value};

use super::numeric_date::{LEEWAY, time};
use super::{JwkSet, Jws, single_audience};
use crate::{ClientId, PublicUrl, Seconds, Timestamp};

/// An assertion that is good for longer is worth stealing (R7523-3-2).
const LONGEST: Seconds = Seconds::minutes(5);

/// What a client may name as the audience of its assertions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer, exactly (R7523b-aud-1).
    #[default]
    Issuer,
    /// The URL of the token endpoint too, exactly: for clients made before that was found to be unsafe (DC-22).
    TokenUrl,
}

impl AssertionAudience {
    /// Both, the strict one first.
    pub const ALL: [Self; 2] = [Self::Issuer, Self::TokenUrl];

    /// The name as its column, the command line and `--json` have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::TokenUrl => "token-url",
        }
    }

    /// The audience of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|audience| audience.as_str() == name)
    }

    fn takes(self, audience: &str, issuer: &PublicUrl) -> bool {
        audience == issuer.as_str() || (self == Self::TokenUrl && audience == issuer.join("/oauth/token"))
    }
}

/// Why an assertion proves nothing. What its maker may read of it is `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// No compact JWS, or of an algorithm that is not taken.
    #[error("client_assertion is no JWT of a form and algorithm that this server takes")]
    Form,
    /// Its header says that it is something else (R7523b-typ-1).
    #[error("client_assertion is a token of another type")]
    Type,
    /// It names no client.
    #[error("client_assertion has no sub")]
    Subject,
    /// None of the client's keys made it. Said like any other failure: who cannot sign learns nothing.
    #[error("unknown client, or its authentication failed")]
    Signature,
    /// It is not about its maker.
    #[error("client_assertion: iss and sub must both be the client_id")]
    Issuer,
    /// It is not for this server alone.
    #[error("client_assertion: aud must be this server's issuer, as its metadata has it, and nothing else")]
    Audience,
    /// A time is missing or is none.
    #[error("client_assertion: exp is missing, or a time is not a number of seconds")]
    Times,
    /// It was good once.
    #[error("client_assertion has expired")]
    Expired,
    /// It would be good for too long (R7523-3-2).
    #[error("client_assertion lives too long: exp may be five minutes ahead at most")]
    TooLong,
    /// It is not good yet.
    #[error("client_assertion is from the future: look at the clock of the client")]
    Future,
    /// Nothing tells it from the next one.
    #[error("client_assertion has no jti")]
    NoIdentifier,
    /// It came before (R7523-3-2).
    #[error("client_assertion was used before: make a new one, with a jti of its own, for each request")]
    Used,
}

impl AssertionError {
    /// A reason code for the paper trail, stable across releases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "assertion_malformed",
            Self::Type => "assertion_type",
            Self::Subject => "assertion_subject",
            Self::Signature => "assertion_signature",
            Self::Issuer => "assertion_issuer",
            Self::Audience => "assertion_audience",
            Self::Times => "assertion_times",
            Self::Expired => "assertion_expired",
            Self::TooLong => "assertion_lives_too_long",
            Self::Future => "assertion_of_the_future",
            Self::NoIdentifier => "assertion_without_jti",
            Self::Used => "assertion_replayed",
        }
    }
}

/// What must happen once: this `jti`, which no second assertion of the client may have until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneUse {
    /// The assertion's `jti`.
    pub jti: String,
    /// When it is worth nothing anyway.
    pub until: Timestamp,
}

/// An assertion as presented; nothing of it is believed before [`verify`](Self::verify).
#[derive(Clone, Debug)]
pub struct ClientAssertion<'a> {
    token: Jws<'a>,
    client_id: ClientId,
}

impl<'a> ClientAssertion<'a> {
    /// `client_assertion_type` (RFC 7523 §2.2).
    pub const TYPE: &'static str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    /// Reads an assertion, as far as to whose keys it must be verified with.
    ///
    /// # Errors
    /// Names what it lacks.
    pub fn parse(compact: &'a str) -> Result<Self, AssertionError> {
        let token = Jws::parse(compact).map_err(|_| AssertionError::Form)?;
        // R7523b-typ-1: its own type or none; whatever says that it is something else is something else.
        if token.typ().is_some_and(|typ| typ != "client-authentication+jwt" && typ != "jwt") {
            return Err(AssertionError::Type);
        }
        let client_id = token.unverified("sub").ok_or(AssertionError::Subject)?.to_owned().into();
        Ok(Self { token, client_id })
    }

    /// Who it says made it.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The token itself, for choosing the keys.
    #[must_use]
    pub const fn token(&self) -> &Jws<'a> {
        &self.token
    }

    /// Verifies that the client with these keys made it, for this server and for now. What remains to be done is to use
    /// its `jti` up.
    ///
    /// # Errors
    /// Names the rule that it breaks; the signature comes first.
    pub fn verify(
        &self,
        keys: &JwkSet,
        (issuer, audience): (&PublicUrl, AssertionAudience),
        now: Timestamp,
    ) -> Result<OneUse, AssertionError> {
        let claims = self.token.verify_with(keys).map_err(|_| AssertionError::Signature)?;
        // R7523-3-1
        if claims.get("iss").and_then(Value::as_str) != Some(self.client_id.as_str()) {
            return Err(AssertionError::Issuer);
        }
        // A20: for us alone, so that nobody to whom it was sent can use it here
        if !single_audience(claims.get("aud")).is_some_and(|aud| audience.takes(aud, issuer)) {
            return Err(AssertionError::Audience);
        }
        let until = lifetime(claims, now)?;
        // R7523-3-2
        let jti = claims.get("jti").and_then(Value::as_str).filter(|jti| !jti.is_empty());
        let jti = jti.ok_or(AssertionError::NoIdentifier)?.to_owned();
        Ok(OneUse { jti, until })
    }
}

/// Alive at `now` and not for long (R7523-3-1, R7523-3-2). Gives the moment from which on it is dead for certain.
fn lifetime(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, AssertionError> {
    let exp = time(claims, "exp").ok().flatten().ok_or(AssertionError::Times)?;
    let until = exp.plus(LEEWAY);
    if now >= until {
        return Err(AssertionError::Expired);
    }
    if exp > now.plus(LONGEST).plus(LEEWAY) {
        return Err(AssertionError::TooLong);
    }
    for name in ["nbf", "iat"] {
        let at = time(claims, name).map_err(|_| AssertionError::Times)?;
        if at.is_some_and(|at| at > now.plus(LEEWAY)) {
            return Err(AssertionError::Future);
        }
    }
    Ok(until)
}

#[cfg(test)]
mod tests;
