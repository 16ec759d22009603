//! Signed access tokens (RFC 9068): what one server says in them, and what the other demands.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::numeric_date::{LEEWAY, time};
use super::{Jws, SigningError, SigningKey, single_audience};
use crate::{
    Actor, ClientId, Confirmation, PrincipalId, PublicUrl, ResourceUri, ScopeSet, Secret, Timestamp,
};

/// The claims of an access token (RFC 9068 §2.2). No names and no e-mail addresses: clients can read them (R9068-6-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Who issued it.
    pub iss: PublicUrl,
    /// The one resource that it is for (R9068-3-1, R9068-5-1).
    pub aud: ResourceUri,
    /// On whose behalf it acts.
    pub sub: PrincipalId,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// What it may do; each scope has a meaning for `aud` (R9068-2.2.3-1).
    #[serde(default)]
    pub scope: ScopeSet,
    /// Through whom it acts (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<Actor>,
    /// The key that it is bound to (RFC 9449 §6.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cnf: Option<Confirmation>,
    /// Issue, seconds since the epoch.
    pub iat: i64,
    /// Expiry, seconds since the epoch.
    pub exp: i64,
    /// Unique.
    pub jti: String,
}

impl AccessTokenClaims {
    /// The `typ` of a signed access token (R9068-2.1-1).
    pub const TYP: &str = "at+jwt";

    /// The token that says this.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<Secret, SigningError> {
        key.sign(Self::TYP, self).map(Secret::presented)
    }

    /// Whether this is the kind of token that may be an access token: ID tokens, `DPoP` proofs, client assertions and
    /// ID-JAGs are signed by somebody too (R9068-4-1).
    #[must_use]
    pub fn is_kind_of(token: &Jws<'_>) -> bool {
        token.typ().as_deref() == Some(Self::TYP)
    }

    /// Judges the claims of a token whose signature and kind were checked (R9068-4-2): of this issuer, for this
    /// resource, alive at `now` with a small leeway. Whoever presents a token that is bound to a key (`cnf`) has to prove to
    /// hold it: that is the caller's to see to (R9449-7.2-1).
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn judge(
        claims: &Map<String, Value>,
        (issuer, resource): (&PublicUrl, &ResourceUri),
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        if claims.get("iss").and_then(Value::as_str) != Some(issuer.as_str()) {
            return Err("the token is of another issuer");
        }
        // A26: the whole identifier, in its canonical spelling (DC-1); of several audiences none is ours.
        let audience = single_audience(claims.get("aud")).and_then(|aud| ResourceUri::parse(aud).ok());
        if audience.as_ref() != Some(resource) {
            return Err("the token is for another resource");
        }
        let malformed = "the token lacks a claim, or has one that cannot be read";
        let exp = time(claims, "exp").ok().flatten().ok_or(malformed)?;
        if now >= exp.plus(LEEWAY) {
            return Err("the token expired");
        }
        if time(claims, "nbf").map_err(|_| malformed)?.is_some_and(|nbf| now.plus(LEEWAY) < nbf) {
            return Err("the token is not valid yet");
        }
        if claims.get("cnf").is_some_and(Value::is_null) {
            return Err(malformed);
        }
        let mut members = claims.clone();
        members.insert("aud".to_owned(), resource.as_str().into());
        members.insert("exp".to_owned(), exp.seconds().into());
        let iat = time(claims, "iat").ok().flatten().ok_or(malformed)?;
        members.insert("iat".to_owned(), iat.seconds().into());
        serde_json::from_value(Value::Object(members)).map_err(|_| malformed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, JwkSet};

    fn claims() -> Value {
        json!({
            "iss": "https://h", "aud": "https://notes.example/mcp", "sub": "user_1", "client_id": "client_1",
            "scope": "read", "iat": 1_000, "exp": 1_600, "jti": "t",
        })
    }

    fn judged(claims: &Value, now: i64) -> Result<AccessTokenClaims, &'static str> {
        let issuer = PublicUrl::parse("https://h").unwrap();
        let resource = ResourceUri::parse("https://notes.example/mcp").unwrap();
        let now = Timestamp::from_micros(now * 1_000_000);
        AccessTokenClaims::judge(claims.as_object().unwrap(), (&issuer, &resource), now)
    }

    /// R9068-4-2, A26: each claim alone makes the difference
    #[test]
    fn every_mutation_of_a_good_token_is_refused() {
        assert_eq!(judged(&claims(), 1_000).unwrap().sub.as_str(), "user_1");
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            judged(&claims, 1_000)
        };
        for iss in [
            json!("https://h/"),
            json!("https://H"),
            json!("https://h.evil"),
            json!(["https://h"]),
            json!(null),
        ] {
            assert_eq!(with("iss", iss.clone()), Err("the token is of another issuer"), "{iss}");
        }
        assert!(with("aud", json!(["https://notes.example/mcp"])).is_ok(), "an array of one");
        assert!(with("aud", json!("https://NOTES.example:443/mcp")).is_ok(), "DC-1");
        for aud in [
            json!("https://notes.example/mcp2"),
            json!("https://notes.example/mc"),
            json!("https://notes.example/mcp/"),
            json!("https://notes.example"),
            json!("https://notes.example.evil/mcp"),
            json!(["https://notes.example/mcp", "https://other.example/mcp"]),
            json!([]),
            json!(null),
        ] {
            assert_eq!(with("aud", aud.clone()), Err("the token is for another resource"), "{aud}");
        }
        assert_eq!(with("nbf", json!(1_031)), Err("the token is not valid yet"));
        assert!(with("nbf", json!(1_030)).is_ok());
        for (name, value) in [
            ("nbf", json!("soon")),
            ("exp", json!("never")),
            ("exp", json!(-1)),
            ("iat", json!({})),
            ("sub", json!(7)),
            ("scope", json!(["read"])),
            ("jti", json!(1)),
        ] {
            assert!(with(name, value).is_err(), "{name}");
        }
        for name in ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            assert!(judged(&claims, 1_000).is_err(), "{name}");
        }
    }

    /// R9449-5-1, R9449-7.2-1: who can check a proof reads the key; a confirmation that nobody here could check is none
    #[test]
    fn a_bound_token_names_its_key_to_who_can_see_it_proven() {
        let issuer = PublicUrl::parse("https://h").unwrap();
        let resource = ResourceUri::parse("https://notes.example/mcp").unwrap();
        let read = |cnf: Value| {
            let mut claims = claims();
            claims["cnf"] = cnf;
            let now = Timestamp::from_micros(1_000_000_000);
            AccessTokenClaims::judge(claims.as_object().unwrap(), (&issuer, &resource), now)
        };
        let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        assert_eq!(read(json!({"jkt": jkt})).unwrap().cnf.unwrap().jkt.as_str(), jkt);
        for bad in
            [json!(null), json!({}), json!({"jkt": "x"}), json!({"jkt": jkt, "x5t#S256": jkt}), json!(jkt)]
        {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    /// R9068-4-2: a little leeway, and no more
    #[test]
    fn a_token_ends_half_a_minute_after_its_end_at_the_latest() {
        assert!(judged(&claims(), 1_629).is_ok());
        assert_eq!(judged(&claims(), 1_630), Err("the token expired"));
    }

    /// R9068-4-1: whatever else somebody signs is no access token
    #[test]
    fn the_kind_of_a_token_is_said_exactly() {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        for (typ, good) in [
            ("at+jwt", true),
            ("AT+JWT", true),
            ("application/at+jwt", true),
            ("Application/AT+jwt", true),
            ("JWT", false),
            ("", false),
            ("dpop+jwt", false),
            ("oauth-id-jag+jwt", false),
            ("client-authentication+jwt", false),
            ("application/application/at+jwt", false),
            ("at+jwt ", false),
        ] {
            let compact = key.sign(typ, &claims()).unwrap();
            assert_eq!(AccessTokenClaims::is_kind_of(&Jws::parse(&compact).unwrap()), good, "{typ}");
        }
    }

    /// R9068-2.1-1, R9068-2.2-1
    #[test]
    fn what_is_signed_is_what_is_judged() {
        let made = judged(&claims(), 1_000).unwrap();
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let token = made.sign(&key).unwrap();
        let token = Jws::parse(token.expose()).unwrap();
        let keys = JwkSet { keys: vec![key.public().clone()] };
        assert_eq!(Value::Object(token.verify_with(&keys).unwrap().clone()), claims());
    }
}
