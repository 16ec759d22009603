//! Identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant §3.1, §4.4): what an enterprise's identity
//! provider says about a user, a client and a resource, and what must be so before anybody believes it.

use serde_json::{Map, Value};

use super::numeric_date::{LEEWAY, time};
use super::{JwkSet, Jws, single_audience};
use crate::{ClientId, Confirmation, JwkThumbprint, PublicUrl, ResourceUri, ScopeSet, Timestamp};

/// OpenID Connect Core §2 has no longer subjects.
const LONGEST_SUBJECT: usize = 255;

/// Why an identity assertion gives nothing. The client that presents it proved itself, and may read why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdJagError {
    /// No compact JWS, or of an algorithm that is not taken.
    #[error("assertion is no JWT of a form and algorithm that this server takes")]
    Form,
    /// Its header does not say that it is one (IDJAG-3.1-1).
    #[error("assertion is not of the type oauth-id-jag+jwt")]
    Type,
    /// Nobody whose word is taken here made it (IDJAG-3-1).
    #[error("assertion is of no issuer that is trusted here")]
    Issuer,
    /// It was made by this very server (IDJAG-8.3-1).
    #[error("assertion was issued by this server itself")]
    Own,
    /// None of the issuer's keys verifies it.
    #[error("assertion is not signed with a key of its issuer")]
    Signature,
    /// It is not for this server alone (IDJAG-4.4.1-1).
    #[error("assertion: aud must be this server's issuer, as its metadata has it, and nothing else")]
    Audience,
    /// It was given to another client (IDJAG-4.4.1-2).
    #[error("assertion: client_id is not the client that presents it")]
    Client,
    /// A claim is missing or is not what it should be.
    #[error("assertion lacks a claim, or has one that cannot be read")]
    Claims,
    /// It is not good any more, or not yet.
    #[error("assertion has expired or is from the future")]
    Times,
    /// It is bound to a key that the client did not prove to hold (IDJAG-8.6-1).
    #[error("assertion is bound to a key (cnf), and the request brings no proof of that key")]
    Bound,
    /// It limits what it gives in a language that is not spoken here.
    #[error("assertion has authorization_details, which this server does not understand")]
    Details,
}

impl IdJagError {
    /// A reason code for the paper trail, stable across releases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "id_jag_malformed",
            Self::Type => "id_jag_type",
            Self::Issuer => "id_jag_issuer",
            Self::Own => "id_jag_of_our_own",
            Self::Signature => "id_jag_signature",
            Self::Audience => "id_jag_audience",
            Self::Client => "id_jag_client",
            Self::Claims => "id_jag_claims",
            Self::Times => "id_jag_times",
            Self::Bound => "id_jag_bound",
            Self::Details => "id_jag_details",
        }
    }
}

/// An assertion as presented; nothing of it is believed before [`verify`](Self::verify).
#[derive(Clone, Debug)]
pub struct IdJag<'a> {
    token: Jws<'a>,
}

/// What a verified assertion says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdJagClaims {
    /// Who the user is at the issuer.
    pub subject: String,
    /// The user's address, if the issuer says that it verified it.
    pub verified_email: Option<String>,
    /// What the client may reach; `None`: it does not say.
    pub resource: Option<ResourceUri>,
    /// What it may do there; `None`: it does not say.
    pub scope: Option<ScopeSet>,
}

impl<'a> IdJag<'a> {
    /// The `typ` of an assertion (IDJAG-3.1-1).
    pub const TYP: &'static str = "oauth-id-jag+jwt";
    /// What the metadata call this profile of the JWT bearer grant (IDJAG-7.2-1).
    pub const PROFILE: &'static str = "urn:ietf:params:oauth:grant-profile:id-jag";

    /// Reads an assertion, as far as to whose keys it must be verified with.
    ///
    /// # Errors
    /// When it is no JWT, or does not say that it is such an assertion: ID tokens are signed by the same provider.
    pub fn parse(compact: &'a str) -> Result<Self, IdJagError> {
        let token = Jws::parse(compact).map_err(|_| IdJagError::Form)?;
        if token.typ().as_deref() == Some(Self::TYP) { Ok(Self { token }) } else { Err(IdJagError::Type) }
    }

    /// Who says that it made it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.token.unverified("iss").unwrap_or_default()
    }

    /// In which of its issuer's tenants the user is said to be; empty for none.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.token.unverified("tenant").unwrap_or_default()
    }

    /// The token itself, for choosing the keys.
    #[must_use]
    pub const fn token(&self) -> &Jws<'a> {
        &self.token
    }

    /// Verifies that the owner of these keys made it, for this server, for this client and for now; bound to no key, or to
    /// the one that was `proven`. It may come again until it expires (IDJAG-4.4.3-1).
    ///
    /// # Errors
    /// Names the rule that it breaks; the signature comes first.
    pub fn verify(
        &self,
        keys: &JwkSet,
        (server, client): (&PublicUrl, &ClientId),
        proven: Option<&JwkThumbprint>,
        now: Timestamp,
    ) -> Result<IdJagClaims, IdJagError> {
        let claims = self.token.verify_with(keys).map_err(|_| IdJagError::Signature)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if single_audience(claims.get("aud")) != Some(server.as_str()) {
            return Err(IdJagError::Audience);
        }
        if text("client_id") != Some(client.as_str()) {
            return Err(IdJagError::Client);
        }
        alive(claims, now)?;
        if let Some(cnf) = claims.get("cnf") {
            let bound = serde_json::from_value::<Confirmation>(cnf.clone());
            if !bound.is_ok_and(|bound| Some(&bound.jkt) == proven) {
                return Err(IdJagError::Bound);
            }
        }
        if claims.contains_key("authorization_details") {
            return Err(IdJagError::Details);
        }
        let subject = text("sub").filter(|subject| subject.len() <= LONGEST_SUBJECT);
        // A tenant that is no text would be none to `tenant`.
        let is_tenant = claims.get("tenant").is_none_or(Value::is_string);
        if text("jti").is_none() || !is_tenant {
            return Err(IdJagError::Claims);
        }
        let is_verified = claims.get("email_verified").and_then(Value::as_bool) == Some(true);
        Ok(IdJagClaims {
            subject: subject.ok_or(IdJagError::Claims)?.to_owned(),
            verified_email: text("email").filter(|_| is_verified).map(str::to_owned),
            resource: resource(claims)?,
            scope: scope(claims)?,
        })
    }
}

fn alive(claims: &Map<String, Value>, now: Timestamp) -> Result<(), IdJagError> {
    let at = |name: &str| time(claims, name).map_err(|_| IdJagError::Claims);
    let (Some(exp), Some(iat)) = (at("exp")?, at("iat")?) else { return Err(IdJagError::Claims) };
    let begins = at("nbf")?.map_or(iat, |nbf| nbf.max(iat));
    if now >= exp.plus(LEEWAY) || begins > now.plus(LEEWAY) { Err(IdJagError::Times) } else { Ok(()) }
}

/// One resource, in whatever spelling (DC-1); of several none is meant.
fn resource(claims: &Map<String, Value>) -> Result<Option<ResourceUri>, IdJagError> {
    let Some(claim) = claims.get("resource") else { return Ok(None) };
    let uri = single_audience(Some(claim)).and_then(|uri| ResourceUri::parse(uri).ok());
    uri.map(Some).ok_or(IdJagError::Claims)
}

fn scope(claims: &Map<String, Value>) -> Result<Option<ScopeSet>, IdJagError> {
    let Some(claim) = claims.get("scope") else { return Ok(None) };
    let scope = claim.as_str().and_then(|text| ScopeSet::parse(text).ok());
    scope.map(Some).ok_or(IdJagError::Claims)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
    const NOW: i64 = 1_790_000_000;

    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn with(name: &str, value: Value) -> Result<IdJagClaims, IdJagError> {
        proven(name, value, None)
    }

    fn proven(name: &str, value: Value, key: Option<&str>) -> Result<IdJagClaims, IdJagError> {
        let key = key.map(|key| JwkThumbprint::parse(key).unwrap());
        let mut claims = json!({
            "iss": "https://idp.example", "sub": "ada", "aud": "https://h", "client_id": "client_1", "jti": "1",
            "iat": NOW, "exp": NOW + 300, "resource": "https://h/mcp", "scope": "a b",
        });
        match (value.is_null(), claims.as_object_mut()) {
            (true, Some(members)) => drop(members.remove(name)),
            _ => claims[name] = value,
        }
        let compact = KEY.sign(IdJag::TYP, &claims).unwrap();
        let keys = JwkSet { keys: vec![KEY.public().clone()] };
        let (server, client) =
            (PublicUrl::parse("https://h").unwrap(), ClientId::from("client_1".to_owned()));
        let now = Timestamp::from_micros(NOW * 1_000_000);
        IdJag::parse(&compact)?.verify(&keys, (&server, &client), key.as_ref(), now)
    }

    /// IDJAG-3.1-1, IDJAG-4.4.1-1, IDJAG-4.4.1-2, IDJAG-8.6-1, A60: each claim alone makes the difference
    #[test]
    fn every_mutation_of_a_good_assertion_is_refused() {
        let good = with("x", json!(1)).unwrap();
        assert_eq!((good.subject.as_str(), good.verified_email), ("ada", None));
        assert_eq!(with("aud", json!(["https://h"])).unwrap().subject, "ada");
        for (name, value, told) in [
            ("aud", json!("https://h/oauth/token"), IdJagError::Audience),
            ("aud", json!(["https://h", "https://h"]), IdJagError::Audience),
            ("aud", json!("https://h/"), IdJagError::Audience),
            ("aud", json!(null), IdJagError::Audience),
            ("client_id", json!("client_2"), IdJagError::Client),
            ("client_id", json!(["client_1"]), IdJagError::Client),
            ("client_id", json!(null), IdJagError::Client),
            ("exp", json!(NOW - 30), IdJagError::Times),
            ("exp", json!(null), IdJagError::Claims),
            ("iat", json!(NOW + 31), IdJagError::Times),
            ("iat", json!(null), IdJagError::Claims),
            ("nbf", json!(NOW + 31), IdJagError::Times),
            ("cnf", json!({"jkt": "x"}), IdJagError::Bound),
            ("cnf", json!({"jkt": JKT}), IdJagError::Bound),
            ("authorization_details", json!([]), IdJagError::Details),
            ("sub", json!(null), IdJagError::Claims),
            ("sub", json!(""), IdJagError::Claims),
            ("sub", json!("x".repeat(256)), IdJagError::Claims),
            ("jti", json!(null), IdJagError::Claims),
            ("tenant", json!(7), IdJagError::Claims),
            ("resource", json!(["https://h/mcp", "https://h/other"]), IdJagError::Claims),
            ("resource", json!(7), IdJagError::Claims),
            ("scope", json!(["a"]), IdJagError::Claims),
        ] {
            assert_eq!(with(name, value.clone()), Err(told), "{name} {value}");
        }
    }

    /// IDJAG-8.6-1: the key of the assertion is the key of the proof, and no other way of binding is taken for one
    #[test]
    fn a_bound_assertion_needs_a_proof_of_its_key() {
        let other = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert!(proven("cnf", json!({"jkt": JKT}), Some(JKT)).is_ok());
        assert!(proven("x", json!(1), Some(JKT)).is_ok());
        for (cnf, key) in [
            (json!({"jkt": JKT}), Some(other)),
            (json!({"x5t#S256": JKT}), Some(JKT)),
            (json!({"jkt": JKT, "x5t#S256": JKT}), Some(JKT)),
            (json!({}), Some(JKT)),
            (json!({}), None),
        ] {
            assert_eq!(proven("cnf", cnf.clone(), key), Err(IdJagError::Bound), "{cnf}");
        }
    }

    /// IDJAG-3-1: an address that nobody verified is none
    #[test]
    fn only_a_verified_address_counts() {
        assert_eq!(with("email", json!("ada@example.com")).unwrap().verified_email, None);
        for verified in [json!(false), json!("true"), json!(1), json!(null)] {
            let claims = json!({"email": "ada@example.com", "email_verified": verified});
            assert_ne!(claims["email_verified"], json!(true));
            assert_eq!(with("email_verified", verified).unwrap().verified_email, None);
        }
    }

    /// IDJAG-3.1-1
    #[test]
    fn what_does_not_say_that_it_is_one_is_none() {
        for typ in ["JWT", "at+jwt", "id+jwt", "client-authentication+jwt", ""] {
            let compact = KEY.sign(typ, &json!({"iss": "https://idp.example"})).unwrap();
            assert_eq!(IdJag::parse(&compact).unwrap_err(), IdJagError::Type, "{typ}");
        }
        assert_eq!(IdJag::parse("x").unwrap_err(), IdJagError::Form);
    }
}
